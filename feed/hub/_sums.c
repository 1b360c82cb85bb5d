/* feed.hub.sums in C. */
#include "_path.h"
#include <structmember.h>

void sums_move(Sums *own, double price) {
    if (price > own->high) own->high = price;
    else if (price < own->low) own->low = price;
    own->last = price;
}

int sums_add(Sums *own, double price, PyObject *size) {
    int known = size != Py_None && PyObject_IsTrue(size);
    double number = known > 0 ? PyFloat_AsDouble(size) : 0;
    if (known < 0 || PyErr_Occurred()) return -1;
    sums_move(own, price);
    own->trades++;
    if (!known) return 0;
    PyObject *volume = PyNumber_Add(own->volume, size); /* in Python's own numbers: an int stays one */
    if (volume == NULL) return -1;
    Py_SETREF(own->volume, volume);
    own->notional += price * number;
    return 0;
}

static PyObject *sums_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    Sums *own = (Sums *)type->tp_alloc(type, 0);
    if (own) own->volume = PyLong_FromLong(0);
    return (PyObject *)own;
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
    {"volume", T_OBJECT_EX, offsetof(Sums, volume), 0, NULL},
    {"trades", T_LONGLONG, offsetof(Sums, trades), 0, NULL},
    {"day", T_LONGLONG, offsetof(Sums, day), 0, NULL},
    {"ts_event", T_LONGLONG, offsetof(Sums, ts_event), 0, NULL},
    {NULL},
};

PyTypeObject SumsType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "feed.hub._path.Sums",
    .tp_basicsize = sizeof(Sums),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = sums_new,
    .tp_init = (initproc)sums_init,
    .tp_dealloc = (destructor)sums_dealloc,
    .tp_methods = methods,
    .tp_members = members,
};
