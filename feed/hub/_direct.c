/* A small burst while nothing is owed to anybody: feed/hub/direct.py says what each part does. */
#include "_rows.h"
#include <structmember.h>
#include <time.h>

typedef struct {
    PyObject_HEAD
    Py_ssize_t most;
    PyObject *hub, *now_ns, *ends, *otherwise, *slices, *rows;
    PyObject *metrics, *ticks_out, *fan_out, *flush; /* of the hub; the last two count a duration */
} Direct;

typedef struct {
    Py_ssize_t start, stop;
    long long ts_out;
} Burst;

/* Counting */

static int count(PyObject *metrics, PyObject *counter, long long more) {
    long long before;
    if (number_of(metrics, counter, &before) < 0) return -1;
    PyObject *sum = PyLong_FromLongLong(before + more);
    int failed = sum ? PyObject_SetAttr(metrics, counter, sum) : -1;
    Py_XDECREF(sum);
    return failed;
}

static int count_ticks(PyObject *ticks_out, PyObject *channel, long long more) {
    PyObject *before = PyDict_GetItemWithError(ticks_out, channel);
    long long count = before ? PyLong_AsLongLong(before) : 0;
    PyObject *sum = PyErr_Occurred() ? NULL : PyLong_FromLongLong(count + more);
    int failed = sum ? PyDict_SetItem(ticks_out, channel, sum) : -1;
    Py_XDECREF(sum);
    return failed;
}

static int observe(PyObject *histogram, double passed_s) {
    PyObject *seconds = PyFloat_FromDouble(passed_s), *done = seconds ? PyObject_CallOneArg(histogram, seconds) : NULL;
    Py_XDECREF(seconds);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* Sending */

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Whether this burst may go this way. */
static int may_go(Direct *own, PyObject *part, Burst *burst) {
    long long start, stop, next_ns;
    PyObject *slices = PyObject_GetAttr(part, NAME("of"));
    Py_XDECREF(slices); /* the part holds it */
    if (slices == NULL || number_of(part, NAME("start"), &start) < 0 || number_of(part, NAME("stop"), &stop) < 0) return -1;
    burst->start = start, burst->stop = stop;
    if (own->rows == Py_None || slices != own->slices || stop - start > own->most) return 0;
    PyObject *owed = PyObject_GetAttr(own->hub, NAME("owed"));
    Py_ssize_t pending = owed ? PyObject_Size(owed) : -1;
    Py_XDECREF(owed);
    if (pending) return pending < 0 ? -1 : 0;
    int holds = rows_hold((Rows *)own->rows, start, stop);
    if (holds <= 0 || number_of(own->ends, NAME("next_ns"), &next_ns) < 0) return holds > 0 ? -1 : holds;
    if (number_from(own->now_ns, &burst->ts_out) < 0) return -1;
    return burst->ts_out < next_ns;
}

static int count_all(Direct *own, const Burst *burst, Py_ssize_t heard, const Totals *totals) {
    PyObject *metrics = own->metrics;
    if (count(metrics, NAME("ticks_in"), burst->stop - burst->start) < 0 || count(metrics, NAME("encodings"), heard) < 0) return -1;
    if (count(metrics, NAME("bytes_out"), totals->bytes) < 0) return -1;
    if (count_ticks(own->ticks_out, NAME("quotes"), totals->ticks[QUOTES]) < 0) return -1;
    return count_ticks(own->ticks_out, NAME("trades"), totals->ticks[TRADES]);
}

/* Leave to the hub who is behind, and give whether somebody still is. */
static PyObject *leave_to_hub(Direct *own, PyObject *left) {
    PyObject *behind = PyList_GET_SIZE(left) ? Py_True : Py_False;
    if (PyObject_SetAttr(own->hub, NAME("strained"), behind) < 0) return NULL;
    if (behind == Py_False) return Py_NewRef(behind);
    PyObject *done = PyObject_CallMethodOneArg(own->hub, NAME("leave"), left);
    Py_XDECREF(done);
    return done ? PyObject_GetAttr(own->hub, NAME("strained")) : NULL;
}

static PyObject *send_burst(Direct *own, const Burst *burst) {
    Totals totals = {0};
    Py_ssize_t heard = 0;
    double begun_s = now_s();
    PyObject *rows = Py_NewRef(own->rows); /* the first tick of a stream calls others, who may open another block */
    PyObject *begun = rows_pass_on((Rows *)rows, burst->start, burst->stop, burst->ts_out, &heard);
    Py_DECREF(rows);
    double passed_s = now_s();
    PyObject *left = begun ? send_cohorts(begun, &totals) : NULL, *told = NULL;
    double sent_s = now_s();
    int failed = !left || count_all(own, burst, heard, &totals) < 0 || observe(own->fan_out, passed_s - begun_s) < 0 || observe(own->flush, sent_s - passed_s) < 0;
    if (!failed) told = leave_to_hub(own, left);
    Py_XDECREF(begun);
    Py_XDECREF(left);
    return told;
}

static PyObject *direct_send(Direct *own, PyObject *part) {
    Burst burst;
    int may = may_go(own, part, &burst);
    if (may < 0) return NULL;
    return may ? send_burst(own, &burst) : PyObject_CallOneArg(own->otherwise, part);
}

/* The type */

static PyObject *direct_open(Direct *own, PyObject *args) {
    PyObject *slices, *rows;
    if (!PyArg_ParseTuple(args, "OO", &slices, &rows)) return NULL;
    if (rows != Py_None && !Py_IS_TYPE(rows, &RowsType)) return PyErr_SetString(PyExc_TypeError, "rows must be compiled"), NULL;
    Py_XSETREF(own->slices, Py_NewRef(slices));
    Py_XSETREF(own->rows, Py_NewRef(rows));
    return Py_NewRef(Py_None);
}

static PyObject *observer_of(PyObject *metrics, const char *name) {
    PyObject *histogram = PyObject_GetAttrString(metrics, name), *found = histogram ? PyObject_GetAttrString(histogram, "observe") : NULL;
    Py_XDECREF(histogram);
    return found;
}

static int find_metrics(Direct *own) {
    if ((own->metrics = PyObject_GetAttrString(own->hub, "metrics")) == NULL) return -1;
    if ((own->ticks_out = PyObject_GetAttrString(own->metrics, "ticks_out")) == NULL) return -1;
    if (!PyDict_Check(own->ticks_out)) return PyErr_SetString(PyExc_TypeError, "ticks are counted in a dict"), -1;
    if ((own->fan_out = observer_of(own->metrics, "fan_out")) == NULL) return -1;
    return (own->flush = observer_of(own->metrics, "flush")) ? 0 : -1;
}

static PyObject *direct_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *hub, *now_ns, *ends, *otherwise;
    Py_ssize_t most;
    if (!PyArg_ParseTuple(args, "nOOOO", &most, &hub, &now_ns, &ends, &otherwise)) return NULL;
    Direct *own = (Direct *)type->tp_alloc(type, 0);
    if (own == NULL) return NULL;
    own->most = most, own->hub = Py_NewRef(hub), own->now_ns = Py_NewRef(now_ns), own->ends = Py_NewRef(ends);
    own->otherwise = Py_NewRef(otherwise), own->rows = Py_NewRef(Py_None), own->slices = Py_NewRef(Py_None);
    if (find_metrics(own) < 0) Py_CLEAR(own);
    return (PyObject *)own;
}

static int direct_traverse(Direct *own, visitproc visit, void *arg) {
    PyObject *held[] = {own->hub, own->now_ns, own->ends, own->otherwise, own->slices, own->rows, own->metrics, own->ticks_out, own->fan_out, own->flush};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) Py_VISIT(held[i]);
    return 0;
}

static int direct_clear(Direct *own) {
    PyObject **held[] = {&own->hub, &own->now_ns, &own->ends, &own->otherwise, &own->slices, &own->rows, &own->metrics, &own->ticks_out, &own->fan_out, &own->flush};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) Py_CLEAR(*held[i]);
    return 0;
}

static void direct_dealloc(Direct *own) {
    PyObject_GC_UnTrack(own);
    direct_clear(own);
    Py_TYPE(own)->tp_free((PyObject *)own);
}

static PyMethodDef direct_methods[] = {
    {"open", (PyCFunction)direct_open, METH_VARARGS, "Send slices of these rows from now on."},
    {"send", (PyCFunction)direct_send, METH_O, "Publish a slice, send all that is owed by then, and tell whether somebody is behind."},
    {NULL},
};

PyTypeObject DirectType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "feed.hub._path.Direct",
    .tp_basicsize = sizeof(Direct),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = direct_new,
    .tp_traverse = (traverseproc)direct_traverse,
    .tp_clear = (inquiry)direct_clear,
    .tp_dealloc = (destructor)direct_dealloc,
    .tp_methods = direct_methods,
};
