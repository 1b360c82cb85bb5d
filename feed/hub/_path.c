/* feed.hub.path in C: the loops that every tick, and every delivered tick, goes through.
 *
 * Each file here does what the module of its name says in Python: _pending.c, _log.c, _rows.c, _sums.c. Both give
 * the same bytes, and the same tests run on both. _chunks.c is where payloads are meanwhile. */
#include "_path.h"
#include <structmember.h>

/* Slots */

enum { SYMBOL, SEQ, TS_OUT };
enum { CURRENT, BEHIND };
enum { KINDS = 8 };

static const char *tick_slots[] = {"symbol", "seq", "ts_out", NULL};
enum { TAKERS, IS_EVENT };

static const char *stream_slots[] = {"takers", "is_event", NULL};
static const char *cohort_slots[] = {"current", "behind", NULL};
static Layout tick_layouts[KINDS], stream_layout, cohort_layout;

static int read_layout(Layout *layout, PyTypeObject *type, const char **names) {
    for (int i = 0; names[i]; i++) {
        PyObject *descriptor = PyObject_GetAttrString((PyObject *)type, names[i]);
        if (descriptor == NULL) return -1;
        PyMemberDef *member = Py_IS_TYPE(descriptor, &PyMemberDescr_Type) ? ((PyMemberDescrObject *)descriptor)->d_member : NULL;
        Py_DECREF(descriptor); /* the type keeps it */
        if (member == NULL || member->type != T_OBJECT_EX)
            return PyErr_Format(PyExc_TypeError, "%s.%s is no slot", type->tp_name, names[i]), -1;
        layout->at[i] = member->offset;
    }
    layout->type = (PyTypeObject *)Py_NewRef(type);
    return 0;
}

static Layout *layout_of(PyObject *tick) {
    Layout *layout = tick_layouts;
    while (layout < tick_layouts + KINDS && layout->type && layout->type != Py_TYPE(tick)) layout++;
    if (layout == tick_layouts + KINDS) return PyErr_SetString(PyExc_TypeError, "too many kinds of ticks"), NULL;
    if (layout->type == NULL && read_layout(layout, Py_TYPE(tick), tick_slots) < 0) return NULL;
    return layout;
}

int is_of(Layout *layout, PyObject *object, const char **names) {
    if (layout->type == NULL && read_layout(layout, Py_TYPE(object), names) < 0) return 0;
    if (layout->type == Py_TYPE(object)) return 1;
    return PyErr_Format(PyExc_TypeError, "not a %s", layout->type->tp_name), 0;
}

int is_stream(PyObject *stream) {
    if (PyObject_TypeCheck(stream, &HeldType)) return is_of(&stream_layout, stream, stream_slots);
    return PyErr_SetString(PyExc_TypeError, "not a stream"), 0;
}

static int is_cohort(PyObject *cohort) {
    if (PyObject_TypeCheck(cohort, &PendingType)) return is_of(&cohort_layout, cohort, cohort_slots);
    return PyErr_SetString(PyExc_TypeError, "not a cohort"), 0;
}

#define OF_STREAM(stream, name) SLOT(stream, &stream_layout, name)
#define OF_COHORT(cohort, name) SLOT(cohort, &cohort_layout, name)

/* The path of a tick */

/* Give a new reference to the stream of a tick. */
static PyObject *find_stream(PyObject *tick, Layout *layout, PyObject *by_kind, PyObject *stream_of) {
    PyObject *symbol = SLOT(tick, layout, SYMBOL), *streams = PyDict_GetItemWithError(by_kind, (PyObject *)layout->type);
    if (streams == NULL || symbol == NULL || !PyDict_Check(streams)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "not a tick of a known kind");
        return NULL;
    }
    PyObject *stream = Py_XNewRef(PyDict_GetItemWithError(streams, symbol));
    if (stream == NULL && !PyErr_Occurred()) stream = PyObject_CallOneArg(stream_of, tick);
    if (stream && !is_stream(stream)) Py_CLEAR(stream);
    return stream;
}

static int number(PyObject *tick, Layout *layout, PyObject *stream, PyObject *ts_out) {
    PyObject *seq = PyLong_FromLongLong(((Held *)stream)->seq + 1);
    if (seq == NULL) return -1;
    ((Held *)stream)->seq++;
    Py_XSETREF(SLOT(tick, layout, SEQ), seq);
    Py_XSETREF(SLOT(tick, layout, TS_OUT), Py_NewRef(ts_out));
    return 0;
}

static PyObject *stamp(PyObject *module, PyObject *args) {
    PyObject *ticks, *by_kind, *stream_of, *ts_out;
    if (!PyArg_ParseTuple(args, "O!O!OO", &PyList_Type, &ticks, &PyDict_Type, &by_kind, &stream_of, &ts_out)) return NULL;
    PyObject *streams = PyList_New(0);
    for (Py_ssize_t i = 0; streams && i < PyList_GET_SIZE(ticks); i++) {
        PyObject *tick = PyList_GET_ITEM(ticks, i);
        Layout *layout = layout_of(tick);
        PyObject *stream = layout ? find_stream(tick, layout, by_kind, stream_of) : NULL;
        if (stream == NULL || number(tick, layout, stream, ts_out) < 0 || PyList_Append(streams, stream) < 0) Py_CLEAR(streams);
        Py_XDECREF(stream);
    }
    return streams;
}

void prefetch_stream(PyObject *stream) {
    __builtin_prefetch(stream);
    __builtin_prefetch(&((Held *)stream)->most);
    __builtin_prefetch(&OF_STREAM(stream, TAKERS));
}

void prefetch_next(PyObject *stream) {
    PyObject *takers = OF_STREAM(stream, TAKERS);
    __builtin_prefetch(takers);
    __builtin_prefetch((char *)takers + LINE_BYTES);
    held_prefetch((Held *)stream);
}

int is_heard(PyObject *stream) {
    PyObject *takers = OF_STREAM(stream, TAKERS);
    return !PyTuple_Check(takers) || PyTuple_GET_SIZE(takers);
}

static int keep_payload(PyObject *stream, PyObject *payload) {
    if (!PyBytes_Check(payload)) return PyErr_SetString(PyExc_TypeError, "payloads must be bytes"), -1;
    return held_keep((Held *)stream, (uint8_t *)PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload));
}

static int keep_one(PyObject *tick, PyObject *stream, PyObject *pack, PyObject *wanted, PyObject *heard, PyObject *events) {
    if (!is_stream(stream)) return -1;
    if (OF_STREAM(stream, IS_EVENT) == Py_True && PyList_Append(events, tick) < 0) return -1;
    if (is_heard(stream)) return PyList_Append(wanted, tick) < 0 ? -1 : PyList_Append(heard, stream);
    PyObject *packed = PyObject_CallOneArg(pack, tick);
    int failed = packed ? keep_payload(stream, packed) : -1;
    Py_XDECREF(packed);
    return failed;
}

static int same_length(PyObject *one, PyObject *other) {
    if (PyList_GET_SIZE(one) == PyList_GET_SIZE(other)) return 1;
    return PyErr_SetString(PyExc_ValueError, "each tick needs its stream"), 0;
}

static PyObject *keep(PyObject *module, PyObject *args) {
    PyObject *ticks, *streams, *pack;
    if (!PyArg_ParseTuple(args, "O!O!O", &PyList_Type, &ticks, &PyList_Type, &streams, &pack)) return NULL;
    if (!same_length(ticks, streams)) return NULL;
    PyObject *wanted = PyList_New(0), *heard = PyList_New(0), *events = PyList_New(0);
    int failed = !wanted || !heard || !events;
    for (Py_ssize_t i = 0; !failed && i < PyList_GET_SIZE(ticks); i++)
        failed = keep_one(PyList_GET_ITEM(ticks, i), PyList_GET_ITEM(streams, i), pack, wanted, heard, events) < 0;
    if (!failed) return Py_BuildValue("NNN", wanted, heard, events);
    Py_XDECREF(wanted), Py_XDECREF(heard), Py_XDECREF(events);
    return NULL;
}

/* Give a new reference to the takers of a stream, found again where they have changed. */
static PyObject *takers_of(PyObject *stream) {
    PyObject *takers = OF_STREAM(stream, TAKERS);
    takers = takers == Py_None ? PyObject_CallMethod(stream, "find_takers", NULL) : Py_NewRef(takers);
    if (takers == NULL || PyTuple_Check(takers)) return takers;
    Py_DECREF(takers);
    return PyErr_SetString(PyExc_TypeError, "takers must be a tuple"), NULL;
}

static int is_taker(PyObject *taker) { /* nearly all are of the one class */
    if (Py_TYPE(taker) == cohort_layout.type || PyObject_TypeCheck(taker, &PendingType)) return 1;
    return PyErr_SetString(PyExc_TypeError, "not a Pending"), 0;
}

static int owe_one(PyObject *taker, Payload *payload, PyObject *begun) {
    if (!is_taker(taker)) return -1;
    if (!((Pending *)taker)->count && PyList_Append(begun, taker) < 0) return -1;
    return pending_add((Pending *)taker, payload);
}

static int owe(PyObject *takers, Payload *payload, PyObject *begun) {
    Py_ssize_t done = 0, all = PyTuple_GET_SIZE(takers);
    while (done < all && owe_one(PyTuple_GET_ITEM(takers, done), payload, begun) == 0) done++;
    hold(payload, done);
    return done < all ? -1 : 0;
}

int fan_out_written(PyObject *stream, size_t size, PyObject *begun) {
    Payload *payload = written(size); /* so nobody writes over it, whatever `find_takers` does */
    PyObject *takers = takers_of(stream);
    int failed = takers ? held_keep((Held *)stream, payload->bytes, size) < 0 || owe(takers, payload, begun) < 0 : 1;
    Py_XDECREF(takers);
    let_go(payload);
    return failed ? -1 : 0;
}

static int fan_out_one(PyObject *stream, PyObject *payload, PyObject *begun) {
    if (!PyBytes_Check(payload)) return PyErr_SetString(PyExc_TypeError, "payloads must be bytes"), -1;
    if (!is_stream(stream)) return -1;
    uint8_t *at = room_for(PyBytes_GET_SIZE(payload));
    if (at == NULL) return -1;
    memcpy(at, PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload));
    return fan_out_written(stream, PyBytes_GET_SIZE(payload), begun);
}

static PyObject *fan_out(PyObject *module, PyObject *args) {
    PyObject *payloads, *streams;
    if (!PyArg_ParseTuple(args, "O!O!", &PyList_Type, &payloads, &PyList_Type, &streams)) return NULL;
    if (!same_length(payloads, streams)) return NULL;
    PyObject *begun = PyList_New(0);
    for (Py_ssize_t i = 0; begun && i < PyList_GET_SIZE(payloads); i++)
        if (fan_out_one(PyList_GET_ITEM(streams, i), PyList_GET_ITEM(payloads, i), begun) < 0) Py_CLEAR(begun);
    return begun;
}

static int read_number(PyObject *found, long long *number) {
    *number = found ? PyLong_AsLongLong(found) : -1;
    Py_XDECREF(found);
    return *number == -1 && PyErr_Occurred() ? -1 : 0;
}

int number_of(PyObject *object, PyObject *name, long long *number) { return read_number(PyObject_GetAttr(object, name), number); }
int number_from(PyObject *function, long long *number) { return read_number(PyObject_CallNoArgs(function), number); }

/* Send one cohort what is pending; `left` gets it where somebody is behind or took less. */
static int send_one(PyObject *cohort, Totals *totals, PyObject *left) {
    if (!is_cohort(cohort)) return -1;
    Pending *own = (Pending *)cohort;
    PyObject *current = OF_COHORT(cohort, CURRENT), *behind = OF_COHORT(cohort, BEHIND);
    if (!own->count) return 0;
    if (!PyDict_Check(current) || !PyDict_Check(behind)) return PyErr_SetString(PyExc_TypeError, "members must be dicts"), -1;
    Py_ssize_t members = PyDict_GET_SIZE(current) + PyDict_GET_SIZE(behind);
    Sent sent = {0};
    if (pending_send_to(own, current, &sent) < 0) return Py_XDECREF(sent.shorts), -1;
    for (int i = 0; i < CHANNELS; i++) totals->ticks[i] += (long long)sent.ticks[i] * members;
    totals->bytes += sent.bytes;
    if (sent.shorts == NULL && !PyDict_GET_SIZE(behind)) return pending_empty(own), 0;
    PyObject *entry = Py_BuildValue("ON", cohort, sent.shorts ? sent.shorts : PyTuple_New(0));
    int failed = entry ? PyList_Append(left, entry) : -1;
    Py_XDECREF(entry);
    return failed;
}

PyObject *send_cohorts(PyObject *owed, Totals *totals) {
    PyObject *left = PyList_New(0);
    for (Py_ssize_t i = 0; left && i < PyList_GET_SIZE(owed); i++)
        if (send_one(PyList_GET_ITEM(owed, i), totals, left) < 0) Py_CLEAR(left);
    return left;
}

static PyObject *send_out(PyObject *module, PyObject *owed) {
    if (!PyList_Check(owed)) return PyErr_SetString(PyExc_TypeError, "cohorts must be a list"), NULL;
    Totals all = {0};
    PyObject *left = send_cohorts(owed, &all);
    return left ? Py_BuildValue("(LLLL)nN", all.ticks[QUOTES], all.ticks[TRADES], all.ticks[BARS], all.ticks[STATUS], all.bytes, left) : NULL;
}

static PyMethodDef functions[] = {
    {"stamp", stamp, METH_VARARGS, "Number a burst per stream, stamp it, and give each tick's stream."},
    {"keep", keep, METH_VARARGS, "Keep a burst; give the ticks that somebody hears, their streams, and the events."},
    {"send_out", send_out, METH_O, "Send cohorts what is pending; give ticks, bytes, and the cohorts that still hold it."},
    {"gather", gather, METH_VARARGS, "Put the sums of a shorter interval together with those of a longer one."},
    {"bars_of", bars_of, METH_VARARGS, "Make the bar of each symbol, but of mid-quotes only where a symbol never traded."},
    {"heads", heads_of, METH_VARARGS, "Tell the stream and the seq of each payload."},
    {"fan_out", fan_out, METH_VARARGS, "Keep each payload and owe it to its takers; give those that owed nothing before."},
    {NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_path", .m_size = -1, .m_methods = functions};

PyMODINIT_FUNC PyInit__path(void) {
    PyTypeObject *types[] = {&PendingType, &RowsType, &DirectType, &LogType, &HeldType, &SumsType};
    PyObject *made = PyModule_Create(&module);
    for (size_t i = 0; made && i < sizeof types / sizeof *types; i++)
        if (PyModule_AddType(made, types[i]) < 0) Py_CLEAR(made);
    return made;
}
