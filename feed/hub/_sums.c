/* feed.hub.sums in C. */
#include "_path.h"
#include <math.h>
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

/* Give a number to eight places, as Python's round does: a decimal's nearest float. Where that many places are few
 * enough, the product is off by a sixteenth at most, so what is not near a half is rounded right. */
static PyObject *to_eight_places(double value) {
    double scaled = value * 1e8, nearest = rint(scaled);
    if (fabs(scaled) < (double)(1LL << 50) && fabs(scaled - nearest) < 0.4) return PyFloat_FromDouble(nearest / 1e8);
    PyObject *number = PyFloat_FromDouble(value);
    PyObject *rounded = number ? PyObject_CallMethod(number, "__round__", "i", 8) : NULL;
    Py_XDECREF(number);
    return rounded;
}

static PyObject *vwap_of(Sums *own, void *unused) {
    if (own->volume == NULL) {
        if (own->whole_volume) return to_eight_places(own->notional / (double)own->whole_volume);
        Py_RETURN_NONE;
    }
    int known = PyObject_IsTrue(own->volume);
    if (known <= 0) return known < 0 ? NULL : Py_NewRef(Py_None);
    PyObject *notional = PyFloat_FromDouble(own->notional), *value = notional ? PyNumber_TrueDivide(notional, own->volume) : NULL;
    double number = value ? PyFloat_AsDouble(value) : -1;
    Py_XDECREF(notional), Py_XDECREF(value);
    return number == -1 && PyErr_Occurred() ? NULL : to_eight_places(number);
}

static int merge_volume(Sums *own, Sums *later) {
    long long whole;
    if (!own->volume && !later->volume && !__builtin_add_overflow(own->whole_volume, later->whole_volume, &whole))
        return own->whole_volume = whole, 0;
    PyObject *volume = volume_of(later, NULL);
    int failed = volume ? add_volume(own, volume) : -1;
    Py_XDECREF(volume);
    return failed;
}

static int sums_merge(Sums *own, Sums *later) {
    if (later->high > own->high) own->high = later->high;
    if (later->low < own->low) own->low = later->low;
    own->last = later->last;
    own->notional += later->notional;
    own->trades += later->trades;
    return merge_volume(own, later);
}

/* Sums by symbol */

static int are_sums(PyObject *own) {
    if (PyObject_TypeCheck(own, &SumsType)) return 1;
    return PyErr_SetString(PyExc_TypeError, "no sums of trades"), 0;
}

static int gather_one(PyObject *longer, PyObject *symbol, PyObject *later) {
    PyObject *before = PyDict_GetItemWithError(longer, symbol);
    if (!are_sums(later) || (before && !are_sums(before)) || PyErr_Occurred()) return -1;
    if (before == NULL || (((Sums *)later)->trades && !((Sums *)before)->trades)) return PyDict_SetItem(longer, symbol, later);
    return sums_merge((Sums *)before, (Sums *)later);
}

PyObject *gather(PyObject *module, PyObject *args) {
    PyObject *longer, *shorter, *symbol, *later;
    if (!PyArg_ParseTuple(args, "O!O!", &PyDict_Type, &longer, &PyDict_Type, &shorter)) return NULL;
    for (Py_ssize_t at = 0; PyDict_Next(shorter, &at, &symbol, &later);)
        if (gather_one(longer, symbol, later) < 0) return NULL;
    Py_RETURN_NONE;
}

typedef struct {
    PyObject *kind, *interval, *start_ns, *traded, *zero, *of_trades, *of_quotes;
} Terms;

enum { OPEN = 4, VALUES = 7, BAR_FIELDS = 13 }; /* as feed.ticks.Bar has them */

static PyObject *bar_of(const Terms *terms, PyObject *symbol, Sums *own) {
    PyObject *fields[BAR_FIELDS] = {symbol, terms->zero, terms->interval, terms->start_ns, [11] = terms->zero,
                                    own->trades ? terms->of_trades : terms->of_quotes};
    PyObject **values = fields + OPEN, *bar = NULL;
    const double prices[] = {own->open, own->high, own->low, own->last};
    for (int i = 0; i < 4; i++) values[i] = PyFloat_FromDouble(prices[i]);
    values[4] = volume_of(own, NULL), values[5] = vwap_of(own, NULL), values[6] = PyLong_FromLongLong(own->trades);
    int made = 1;
    for (int i = 0; i < VALUES; i++) made &= values[i] != NULL;
    if (made) bar = PyObject_Vectorcall(terms->kind, fields, BAR_FIELDS, NULL);
    for (int i = 0; i < VALUES; i++) Py_XDECREF(values[i]);
    return bar;
}

static int add_bar(PyObject *bars, const Terms *terms, PyObject *symbol, PyObject *own) {
    if (!are_sums(own)) return -1;
    int left_out = ((Sums *)own)->trades ? 0 : PySequence_Contains(terms->traded, symbol);
    if (left_out) return left_out < 0 ? -1 : 0;
    PyObject *bar = bar_of(terms, symbol, (Sums *)own);
    int failed = bar ? PyList_Append(bars, bar) : -1;
    Py_XDECREF(bar);
    return failed;
}

PyObject *bars_of(PyObject *module, PyObject *args) {
    PyObject *sums, *symbol, *own;
    Terms terms = {0};
    if (!PyArg_ParseTuple(args, "O!UOO", &PyDict_Type, &sums, &terms.interval, &terms.start_ns, &terms.traded)) return NULL;
    PyObject *ticks = PyImport_ImportModule("feed.ticks"), *bars = PyList_New(0);
    terms.kind = ticks ? PyObject_GetAttrString(ticks, "Bar") : NULL;
    terms.zero = PyLong_FromLong(0), terms.of_trades = PyUnicode_InternFromString("trades"), terms.of_quotes = PyUnicode_InternFromString("quotes");
    int failed = !bars || !terms.kind || !terms.zero || !terms.of_trades || !terms.of_quotes;
    for (Py_ssize_t at = 0; !failed && PyDict_Next(sums, &at, &symbol, &own);) failed = add_bar(bars, &terms, symbol, own) < 0;
    Py_XDECREF(ticks), Py_XDECREF(terms.kind), Py_XDECREF(terms.zero), Py_XDECREF(terms.of_trades), Py_XDECREF(terms.of_quotes);
    if (failed) Py_CLEAR(bars);
    return bars;
}

/* The type */

Sums *sums_new(double price) {
    Sums *own = (Sums *)SumsType.tp_alloc(&SumsType, 0);
    if (own) own->open = own->high = own->low = own->last = price;
    return own;
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

static PyObject *merge(Sums *own, PyObject *later) {
    if (!are_sums(later) || sums_merge(own, (Sums *)later) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"merge", (PyCFunction)merge, METH_O, "Add what later sums of the same symbol hold."},
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
    {"vwap", (getter)vwap_of, NULL, "Sum(price * size) / sum(size) to eight places, or None without volume.", NULL},
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
