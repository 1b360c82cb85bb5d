/* feed.hub.sums in C. */
#include "_path.h"
#include <structmember.h>

void sums_move(Sums *own, double price) {
    if (price > own->high) own->high = price;
    else if (price < own->low) own->low = price;
    own->last = price;
}

static PyObject *volume_of(Sums *own, void *unused) {
    return own->volume ? Py_NewRef(own->volume) : PyLong_FromLongLong(own->whole_volume);
}

static int set_volume(Sums *own, PyObject *volume, void *unused) {
    if (volume == NULL) return PyErr_SetString(PyExc_AttributeError, "volume cannot be deleted"), -1;
    int overflow = !PyLong_CheckExact(volume);
    long long whole = overflow ? 0 : PyLong_AsLongLongAndOverflow(volume, &overflow);
    own->whole_volume = overflow ? 0 : whole;
    Py_XSETREF(own->volume, overflow ? Py_NewRef(volume) : NULL);
    return 0;
}

/* Add in Python's own numbers: an int stays one, however large. */
static int add_volume(Sums *own, PyObject *size) {
    PyObject *volume = volume_of(own, NULL), *sum = volume ? PyNumber_Add(volume, size) : NULL;
    int failed = sum ? set_volume(own, sum, NULL) : -1;
    Py_XDECREF(volume), Py_XDECREF(sum);
    return failed;
}

int sums_add(Sums *own, double price, PyObject *size) {
    int known = size != Py_None && PyObject_IsTrue(size);
    double number = known > 0 ? PyFloat_AsDouble(size) : 0;
    if (known < 0 || PyErr_Occurred()) return -1;
    sums_move(own, price);
    own->trades++;
    if (!known) return 0;
    own->notional += price * number;
    return add_volume(own, size);
}

int sums_add_whole(Sums *own, double price, long long size) {
    long long whole;
    if (own->volume || __builtin_add_overflow(own->whole_volume, size, &whole)) {
        PyObject *number = PyLong_FromLongLong(size);
        int failed = number ? sums_add(own, price, number) : -1;
        Py_XDECREF(number);
        return failed;
    }
    sums_move(own, price);
    own->trades++;
    own->whole_volume = whole;
    if (size) own->notional += price * (double)size;
    return 0;
}

static int sums_init(Sums *own, PyObject *args, PyObject *kwargs) {
    double price;
    if (!PyArg_ParseTuple(args, "d", &price)) return -1;
    own->open = own->high = own->low = own->last = price;
    return 0;
}

static void sums_dealloc(Sums *own) {
    Py_XDECREF(own->volume);
    Py_TYPE(own)->tp_free((PyObject *)own);
}

static PyObject *move(Sums *own, PyObject *price) {
    double number = PyFloat_AsDouble(price);
    if (number == -1 && PyErr_Occurred()) return NULL;
    sums_move(own, number);
    Py_RETURN_NONE;
}

static PyObject *add(Sums *own, PyObject *args) {
    double price;
    PyObject *size;
    if (!PyArg_ParseTuple(args, "dO", &price, &size) || sums_add(own, price, size) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"move", (PyCFunction)move, METH_O, "Let one price move high, low and last."},
    {"add", (PyCFunction)add, METH_VARARGS, "Count one trade; one of unknown size moves prices but not volume."},
    {NULL},
};

static PyMemberDef members[] = {
    {"open", T_DOUBLE, offsetof(Sums, open), 0, NULL},
    {"high", T_DOUBLE, offsetof(Sums, high), 0, NULL},
    {"low", T_DOUBLE, offsetof(Sums, low), 0, NULL},
    {"last", T_DOUBLE, offsetof(Sums, last), 0, NULL},
    {"notional", T_DOUBLE, offsetof(Sums, notional), 0, NULL},
    {"trades", T_LONGLONG, offsetof(Sums, trades), 0, NULL},
    {"day", T_LONGLONG, offsetof(Sums, day), 0, NULL},
    {"ts_event", T_LONGLONG, offsetof(Sums, ts_event), 0, NULL},
    {NULL},
};

static PyGetSetDef getset[] = {
    {"volume", (getter)volume_of, (setter)set_volume, NULL, NULL},
    {NULL},
};

PyTypeObject SumsType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "feed.hub._path.Sums",
    .tp_basicsize = sizeof(Sums),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)sums_init,
    .tp_dealloc = (destructor)sums_dealloc,
    .tp_methods = methods,
    .tp_members = members,
    .tp_getset = getset,
};
