/* Alarms in C: feed/alarm.py says what each part does. What comes round for every burst of ticks has no Python around it. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <structmember.h>
#include <time.h>

static const double FOREVER_S = 3600.0;

typedef struct {
    PyObject_HEAD
    double due_s;
    char rung;
    PyObject *play_due, *ended;
} Due;

static PyTypeObject DueType;

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Playing */

/* Take the error that is set away; NULL where it ends the process. */
static PyObject *error_of_player(void) {
    if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) || PyErr_ExceptionMatches(PyExc_SystemExit)) return NULL;
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    if (trace) PyException_SetTraceback(error, trace);
    Py_XDECREF(type), Py_XDECREF(trace);
    return error;
#endif
}

static int end(Due *own, PyObject *error) {
    PyObject *told = error ? PyObject_CallMethod((PyObject *)own, "end", "O", error) : NULL;
    Py_XDECREF(told);
    return told ? 0 : -1;
}

static int is_over(Due *own) {
    PyObject *done = own->ended ? PyObject_CallMethod(own->ended, "done", NULL) : Py_NewRef(Py_True);
    int over = done ? PyObject_IsTrue(done) : -1;
    Py_XDECREF(done);
    return over;
}

static int play(Due *own) {
    own->rung = 0, own->due_s = INFINITY;
    int over = is_over(own);
    if (over) return over < 0 ? -1 : 0;
    PyObject *player = Py_XNewRef(own->play_due); /* which may put another in its place */
    if (player == NULL) return PyErr_SetString(PyExc_AttributeError, "play_due"), -1;
    PyObject *wait = PyObject_CallNoArgs(player);
    Py_DECREF(player);
    if (wait == Py_None) return Py_DECREF(wait), end(own, Py_None);
    double wait_s = wait ? PyFloat_AsDouble(wait) : -1.0;
    Py_XDECREF(wait);
    if (PyErr_Occurred()) {
        PyObject *error = error_of_player();
        int failed = end(own, error);
        return Py_XDECREF(error), failed;
    }
    own->due_s = own->rung ? 0.0 : now_s() + wait_s;
    return 0;
}

static int play_those_due(PyObject *alarms, double at_s) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(alarms); i++) {
        PyObject *alarm = PyTuple_GET_ITEM(alarms, i);
        if (!PyObject_TypeCheck(alarm, &DueType)) return PyErr_SetString(PyExc_TypeError, "it is no alarm"), -1;
        if (((Due *)alarm)->due_s <= at_s && play((Due *)alarm) < 0) return -1;
    }
    return 0;
}

static PyObject *play_due(PyObject *module, PyObject *alarms) {
    if (!PyTuple_Check(alarms)) return PyErr_SetString(PyExc_TypeError, "alarms are a tuple"), NULL;
    return play_those_due(alarms, now_s()) < 0 ? NULL : Py_NewRef(Py_None);
}

/* Waiting */

typedef struct {
    PyObject *loop, *ready, *scheduled;
    Py_ssize_t timers;
} Brought;

/* Whether the loop has something to do that it did not have. */
static int has_work(const Brought *own) {
    Py_ssize_t ready = PyObject_Size(own->ready), timers = PyObject_Size(own->scheduled);
    if (ready < 0 || timers < 0) return -1;
    if (ready || timers > own->timers) return 1;
    PyObject *stopping = PyObject_GetAttrString(own->loop, "_stopping");
    int wanted = stopping ? PyObject_IsTrue(stopping) : -1;
    Py_XDECREF(stopping);
    return wanted;
}

static int sockets_ready(int descriptor, double wait_s) {
    struct pollfd own = {.fd = descriptor, .events = POLLIN};
    double limit_s = fmax(fmin(wait_s, FOREVER_S), 0.0), whole_s = floor(limit_s);
    struct timespec limit = {.tv_sec = (time_t)whole_s, .tv_nsec = (long)((limit_s - whole_s) * 1e9)};
    int ready;
    Py_BEGIN_ALLOW_THREADS;
    ready = ppoll(&own, 1, &limit, NULL);
    Py_END_ALLOW_THREADS;
    int error = errno; /* a handler may leave another */
    if (PyErr_CheckSignals() < 0) return -1; /* a player in C looks for none */
    if (ready < 0 && error == EINTR) return 0;
    errno = error;
    return ready < 0 ? PyErr_SetFromErrno(PyExc_OSError), -1 : ready;
}

static int wait_until(int descriptor, PyObject *alarms, const Brought *brought, double end_s) {
    for (;;) {
        double next_s = end_s;
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(alarms); i++) next_s = fmin(next_s, ((Due *)PyTuple_GET_ITEM(alarms, i))->due_s);
        int ready = sockets_ready(descriptor, next_s - now_s());
        double at_s = now_s();
        if (ready < 0 || play_those_due(alarms, at_s) < 0) return -1;
        int work = has_work(brought);
        if (work < 0) return -1;
        if (ready || work || at_s >= end_s) return ready;
    }
}

static PyObject *wait_on(PyObject *module, PyObject *args) {
    int descriptor, ready = -1;
    PyObject *alarms, *timeout;
    Brought brought = {0};
    if (!PyArg_ParseTuple(args, "iO!OO", &descriptor, &PyTuple_Type, &alarms, &brought.loop, &timeout)) return NULL;
    double end_s = timeout == Py_None ? INFINITY : now_s() + PyFloat_AsDouble(timeout);
    if (PyErr_Occurred()) return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(alarms); i++)
        if (!PyObject_TypeCheck(PyTuple_GET_ITEM(alarms, i), &DueType)) return PyErr_SetString(PyExc_TypeError, "it is no alarm"), NULL;
    brought.ready = PyObject_GetAttrString(brought.loop, "_ready");
    brought.scheduled = PyObject_GetAttrString(brought.loop, "_scheduled");
    brought.timers = brought.scheduled ? PyObject_Size(brought.scheduled) : -1;
    if (!PyErr_Occurred()) ready = wait_until(descriptor, alarms, &brought, end_s);
    Py_XDECREF(brought.ready), Py_XDECREF(brought.scheduled);
    return ready < 0 ? NULL : PyBool_FromLong(ready);
}

/* The type */

static int due_init(Due *own, PyObject *args, PyObject *kwargs) {
    own->due_s = INFINITY, own->rung = 0;
    return 0;
}

static int due_traverse(Due *own, visitproc visit, void *arg) {
    Py_VISIT(own->play_due);
    Py_VISIT(own->ended);
    return 0;
}

static int due_clear(Due *own) {
    Py_CLEAR(own->play_due);
    Py_CLEAR(own->ended);
    return 0;
}

static void due_dealloc(Due *own) {
    PyObject_GC_UnTrack(own);
    due_clear(own);
    Py_TYPE(own)->tp_free((PyObject *)own);
}

static PyMemberDef due_members[] = {
    {"due_s", T_DOUBLE, offsetof(Due, due_s), 0, "When the next call is due."},
    {"rung", T_BOOL, offsetof(Due, rung), 0, "Whether it is to be made at once, whatever the player asks for."},
    {"play_due", T_OBJECT_EX, offsetof(Due, play_due), 0, "The player."},
    {"ended", T_OBJECT_EX, offsetof(Due, ended), 0, "Done when there is to be no call any more."},
    {NULL},
};

static PyTypeObject DueType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "feed._alarm.Due",
    .tp_basicsize = sizeof(Due),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)due_init,
    .tp_traverse = (traverseproc)due_traverse,
    .tp_clear = (inquiry)due_clear,
    .tp_dealloc = (destructor)due_dealloc,
    .tp_members = due_members,
};

static PyMethodDef functions[] = {
    {"play_due", play_due, METH_O, "Call the players of those alarms that are due."},
    {"wait_on", wait_on, METH_VARARGS, "Wait for sockets, and play what comes due; tell whether sockets are ready."},
    {NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_alarm", .m_size = -1, .m_methods = functions};

PyMODINIT_FUNC PyInit__alarm(void) {
    PyObject *made = PyModule_Create(&module);
    if (made && PyModule_AddType(made, &DueType) < 0) Py_CLEAR(made);
    return made;
}
