/* The schedule of a block in C: feed/sources/schedule.py says what each part does. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <structmember.h>

typedef struct {
    PyObject_HEAD
    PyObject *slice, *publish, *monotonic_s, *otherwise, *slices, *times; /* the last one a memoryview */
    double min_wait_s, started_s, ns_per_s, lag_s;
    long long burst_ticks, first_ns, row, ticks;
    char must_heed, strained;
} Schedule;

static int64_t time_at(const Schedule *own, long long row) { return ((int64_t *)PyMemoryView_GET_BUFFER(own->times)->buf)[row]; }
static long long count(const Schedule *own) { return own->times ? PyMemoryView_GET_BUFFER(own->times)->len / 8 : 0; }

/* Publishing */

static long long publish_until(Schedule *own, long long due) {
    long long row = own->row, stop = due - row < own->burst_ticks ? due : row + own->burst_ticks;
    PyObject *part = PyObject_CallFunction(own->slice, "OLL", own->slices, row, stop);
    if (part == NULL) return -1;
    own->row = stop, own->ticks += stop - row;
    PyObject *told = PyObject_CallOneArg(own->publish, part);
    int strained = told ? PyObject_IsTrue(told) : -1;
    Py_DECREF(part);
    Py_XDECREF(told);
    if (strained < 0) return -1;
    own->strained = strained;
    return stop;
}

static PyObject *schedule_publish_until(Schedule *own, PyObject *given) {
    long long due = PyLong_AsLongLong(given);
    if (due == -1 && PyErr_Occurred()) return NULL;
    if (due <= own->row || due > count(own)) return PyErr_SetString(PyExc_IndexError, "the block has no such rows left"), NULL;
    long long stop = publish_until(own, due);
    return stop < 0 ? NULL : PyLong_FromLongLong(stop);
}

/* What is due */

static int now_s(const Schedule *own, double *at_s) {
    PyObject *told = PyObject_CallNoArgs(own->monotonic_s);
    *at_s = told ? PyFloat_AsDouble(told) : -1.0;
    Py_XDECREF(told);
    return PyErr_Occurred() ? -1 : 0;
}

/* A time beyond 64 bits is the last one, or the first. */
static int64_t tape_time(const Schedule *own, double at_s) {
    double passed_ns = (at_s - own->started_s) * own->ns_per_s;
    int64_t tape_ns, limit_ns = passed_ns < 0 ? INT64_MIN : INT64_MAX;
    if (!(fabs(passed_ns) < 9.2e18) || __builtin_add_overflow(own->first_ns, (int64_t)passed_ns, &tape_ns)) return limit_ns;
    return tape_ns;
}

static double lag_s(const Schedule *own, double at_s) {
    int64_t after_ns, time_ns = time_at(own, own->row);
    if (__builtin_sub_overflow(time_ns, own->first_ns, &after_ns)) after_ns = time_ns < 0 ? INT64_MIN : INT64_MAX;
    return fmax(at_s - own->started_s - (double)after_ns / own->ns_per_s, 0.0);
}

static long long first_after(const Schedule *own, int64_t tape_ns) {
    long long low = own->row, step = 1, high = count(own);
    while (low + step <= high && time_at(own, low + step - 1) <= tape_ns) low += step, step *= 2; /* it is near */
    if (low + step < high) high = low + step;
    while (low < high) {
        long long middle = (low + high) / 2;
        if (time_at(own, middle) <= tape_ns) low = middle + 1;
        else high = middle;
    }
    return low;
}

static double wait_s(const Schedule *own, int64_t next_ns, int64_t tape_ns) {
    int64_t left_ns;
    if (__builtin_sub_overflow(next_ns, tape_ns, &left_ns)) left_ns = INT64_MAX;
    return (double)left_ns / own->ns_per_s;
}

static PyObject *schedule_play_due(Schedule *own, PyObject *none) {
    if (own->must_heed || own->row == count(own)) return PyObject_CallNoArgs(own->otherwise);
    double at_s, after_s;
    if (now_s(own, &at_s) < 0) return NULL;
    int64_t tape_ns = tape_time(own, at_s);
    long long due = first_after(own, tape_ns);
    int last = due == count(own); /* looked at before others are called, who may open another block */
    double rest_s = last ? 0.0 : wait_s(own, time_at(own, due), tape_ns);
    if (due > own->row) {
        own->lag_s = lag_s(own, at_s);
        long long stop = publish_until(own, due);
        if (stop < 0) return NULL;
        if (stop < due || last) return PyFloat_FromDouble(0.0);
    }
    if (rest_s > own->min_wait_s) {
        if (now_s(own, &after_s) < 0) return NULL;
        rest_s -= after_s - at_s;
    }
    return PyFloat_FromDouble(fmax(rest_s, own->min_wait_s));
}

/* The type */

static PyObject *schedule_open(Schedule *own, PyObject *slices) {
    PyObject *block = PyObject_GetAttrString(slices, "block"), *given = block ? PyObject_GetAttrString(block, "times") : NULL;
    PyObject *times = given ? PyMemoryView_GetContiguous(given, PyBUF_READ, 'C') : NULL;
    Py_XDECREF(block);
    Py_XDECREF(given);
    if (times == NULL) return NULL;
    const Py_buffer *view = PyMemoryView_GET_BUFFER(times);
    char type = view->format ? view->format[0] : 0;
    if (view->ndim != 1 || view->itemsize != 8 || (type != 'l' && type != 'q'))
        return Py_DECREF(times), PyErr_SetString(PyExc_TypeError, "times must be int64"), NULL;
    own->row = 0;
    Py_XSETREF(own->times, times);
    Py_XSETREF(own->slices, Py_NewRef(slices));
    return Py_NewRef(Py_None);
}

static PyObject *schedule_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *slice, *publish, *monotonic_s, *otherwise;
    long long burst_ticks;
    double min_wait_s;
    if (!PyArg_ParseTuple(args, "OLdOOO", &slice, &burst_ticks, &min_wait_s, &publish, &monotonic_s, &otherwise)) return NULL;
    Schedule *own = (Schedule *)type->tp_alloc(type, 0);
    if (own == NULL) return NULL;
    own->slice = Py_NewRef(slice), own->publish = Py_NewRef(publish);
    own->monotonic_s = Py_NewRef(monotonic_s), own->otherwise = Py_NewRef(otherwise);
    own->burst_ticks = burst_ticks, own->min_wait_s = min_wait_s, own->ns_per_s = 1.0, own->must_heed = 1;
    return (PyObject *)own;
}

static int schedule_traverse(Schedule *own, visitproc visit, void *arg) {
    Py_VISIT(own->slice);
    Py_VISIT(own->publish);
    Py_VISIT(own->monotonic_s);
    Py_VISIT(own->otherwise);
    Py_VISIT(own->slices);
    Py_VISIT(own->times);
    return 0;
}

static int schedule_clear(Schedule *own) {
    Py_CLEAR(own->slice);
    Py_CLEAR(own->publish);
    Py_CLEAR(own->monotonic_s);
    Py_CLEAR(own->otherwise);
    Py_CLEAR(own->slices);
    Py_CLEAR(own->times);
    return 0;
}

static void schedule_dealloc(Schedule *own) {
    PyObject_GC_UnTrack(own);
    schedule_clear(own);
    Py_TYPE(own)->tp_free((PyObject *)own);
}

static PyMemberDef schedule_members[] = {
    {"started_s", T_DOUBLE, offsetof(Schedule, started_s), 0, "When it began, on the clock."},
    {"first_ns", T_LONGLONG, offsetof(Schedule, first_ns), 0, "When it began, on the tape."},
    {"ns_per_s", T_DOUBLE, offsetof(Schedule, ns_per_s), 0, "How fast the tape's time passes."},
    {"lag_s", T_DOUBLE, offsetof(Schedule, lag_s), 0, "How late the newest burst was."},
    {"row", T_LONGLONG, offsetof(Schedule, row), READONLY, "The next row."},
    {"ticks", T_LONGLONG, offsetof(Schedule, ticks), 0, "How many were published."},
    {"must_heed", T_BOOL, offsetof(Schedule, must_heed), 0, "Whether there is something to heed."},
    {"strained", T_BOOL, offsetof(Schedule, strained), READONLY, "Whether somebody did not take all of the newest burst."},
    {NULL},
};

static PyMethodDef schedule_methods[] = {
    {"open", (PyCFunction)schedule_open, METH_O, "Go on with the rows of another block."},
    {"play_due", (PyCFunction)schedule_play_due, METH_NOARGS, "Publish what is due, and give how long to wait."},
    {"publish_until", (PyCFunction)schedule_publish_until, METH_O, "Publish a burst, and give where the next one begins."},
    {NULL},
};

static PyTypeObject ScheduleType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "feed.sources._schedule.Schedule",
    .tp_basicsize = sizeof(Schedule),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = schedule_new,
    .tp_traverse = (traverseproc)schedule_traverse,
    .tp_clear = (inquiry)schedule_clear,
    .tp_dealloc = (destructor)schedule_dealloc,
    .tp_members = schedule_members,
    .tp_methods = schedule_methods,
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_schedule", .m_size = -1};

PyMODINIT_FUNC PyInit__schedule(void) {
    PyObject *made = PyModule_Create(&module);
    if (made && PyModule_AddType(made, &ScheduleType) < 0) Py_CLEAR(made);
    return made;
}
