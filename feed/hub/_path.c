/* feed.hub.path in C: the loops that every tick, and every delivered tick, goes through.
 *
 * feed/hub/path.py and feed/hub/pending.py say what each does, in Python; both give the same bytes,
 * and the same tests run on both.
 *
 * A payload is written once, into a chunk, and what a cohort is owed is noted as places there. Frames are
 * put together in one buffer for all cohorts. Both are written over again and again, and so stay in the
 * processor's cache. */
#include "_path.h"
#include <structmember.h>
#include <errno.h>
#include <sys/socket.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* CPython ignores SIGPIPE */
#endif

enum { TEXT = 0x81, LONGEST_HEAD = 10, BATCH_TICKS = 512, LEAST_ROOM = 16, KEPT_BYTES = 1 << 20, CHUNK_BYTES = 1 << 19 };

typedef struct { /* payloads of some flushes, one after the other */
    uint32_t owed, size; /* by how many items; its bytes */
    uint8_t bytes[];
} Chunk;

typedef struct {
    Chunk *chunk;
    uint32_t at, size;
} Item;

typedef struct {
    PyObject_HEAD
    Item *items; /* payloads */
    uint32_t count, room;
    uint32_t usual; /* how many there were at the last flush: the room to begin with */
    char batched;
} Pending;

static struct { /* the bytes of the cohort that is being flushed */
    uint8_t *bytes;
    size_t size, room;
} buffer;

/* Chunks */

static Chunk *chunk;          /* the one that is written to */
static uint32_t chunk_room;

static Chunk *new_chunk(size_t size) {
    chunk_room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
    Chunk *made = PyMem_RawMalloc(sizeof *made + chunk_room);
    if (made) made->owed = made->size = 0;
    return made;
}

uint8_t *room_for(size_t size) {
    if (chunk && !chunk->owed) chunk->size = 0;
    if (chunk && size <= chunk_room - chunk->size) return chunk->bytes + chunk->size;
    if (chunk && !chunk->owed) PyMem_RawFree(chunk); /* any other goes with the last that is owed of it */
    chunk = size > UINT32_MAX / 2 ? NULL : new_chunk(size);
    return chunk ? chunk->bytes + chunk->size : (PyErr_NoMemory(), NULL);
}

static void let_item_go(Item item) {
    if (--item.chunk->owed == 0 && item.chunk != chunk) PyMem_RawFree(item.chunk);
}

static const uint8_t *bytes_of(Item item) { return item.chunk->bytes + item.at; }

/* Framing */

/* RFC 6455 section 5.2: the length takes as few bytes as it can. */
static size_t put_header(uint8_t *at, size_t size) {
    at[0] = TEXT;
    if (size < 126) return at[1] = size, 2;
    if (size < 65536) return at[1] = 126, at[2] = size >> 8, at[3] = size, 4;
    at[1] = 127;
    for (int i = 0; i < 8; i++) at[2 + i] = (uint64_t)size >> (56 - 8 * i);
    return LONGEST_HEAD;
}

static uint8_t *put_payload(uint8_t *at, Item item) {
    memcpy(at, bytes_of(item), item.size);
    return at + item.size;
}

static uint8_t *put_batch(uint8_t *at, Item *items, uint32_t count, size_t size) {
    at += put_header(at, size + count + 1);
    for (uint32_t i = 0; i < count; i++) {
        *at++ = i ? ',' : '[';
        at = put_payload(at, items[i]);
    }
    *at++ = ']';
    return at;
}

static uint32_t batch_at(Pending *own, uint32_t first) {
    return own->count - first < BATCH_TICKS ? own->count - first : BATCH_TICKS;
}

static size_t size_of(Item *items, uint32_t count) {
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++) size += items[i].size;
    return size;
}

/* Put the frames of all that is owed into the buffer. */
static int put_together(Pending *own) {
    size_t room = size_of(own->items, own->count) + (size_t)own->count * LONGEST_HEAD + LONGEST_HEAD;
    if (room > buffer.room) {
        uint8_t *bytes = PyMem_RawRealloc(buffer.bytes, room += room / 2);
        if (bytes == NULL) return PyErr_NoMemory(), -1;
        buffer.bytes = bytes, buffer.room = room;
    }
    uint8_t *at = buffer.bytes;
    for (uint32_t i = 0, count; i < own->count; i += count) {
        count = own->batched ? batch_at(own, i) : 1;
        size_t size = size_of(own->items + i, count);
        if (own->batched) at = put_batch(at, own->items + i, count, size);
        else at = put_payload(at + put_header(at, size), own->items[i]);
    }
    buffer.size = at - buffer.bytes;
    return 0;
}

static void let_go(void) { /* a large buffer is rare and would stay for good */
    if (buffer.room <= KEPT_BYTES) return;
    PyMem_RawFree(buffer.bytes);
    buffer.bytes = NULL, buffer.room = 0;
}

/* The type */

static PyTypeObject PendingType;

static int add(Pending *own, Item item) {
    if (own->count == own->room) {
        uint32_t room = own->room ? 2 * own->room : own->usual > LEAST_ROOM ? own->usual : LEAST_ROOM;
        Item *items = PyMem_Realloc(own->items, room * sizeof *items);
        if (items == NULL) return PyErr_NoMemory(), -1;
        own->items = items, own->room = room;
    }
    own->items[own->count++] = item;
    item.chunk->owed++;
    return 0;
}

static void empty(Pending *own) {
    for (uint32_t i = 0; i < own->count; i++) let_item_go(own->items[i]);
    PyMem_Free(own->items);
    if (own->count) own->usual = own->count + own->count / 4;
    own->items = NULL;
    own->count = own->room = 0;
}

static int pending_init(Pending *own, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"batched", NULL};
    int batched;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$p", names, &batched)) return -1;
    empty(own);
    own->batched = batched;
    return 0;
}

static void pending_dealloc(Pending *own) {
    empty(own);
    Py_TYPE(own)->tp_free((PyObject *)own);
}

static PyObject *pending_buffer(Pending *own, PyObject *unused) {
    if (put_together(own) < 0) return NULL;
    PyObject *copy = PyBytes_FromStringAndSize((char *)buffer.bytes, buffer.size);
    let_go();
    return copy;
}

static PyObject *pending_payloads(Pending *own, PyObject *unused) {
    PyObject *payloads = PyList_New(own->count);
    for (uint32_t i = 0; payloads && i < own->count; i++) {
        PyObject *payload = PyBytes_FromStringAndSize((char *)bytes_of(own->items[i]), own->items[i].size);
        if (payload) PyList_SET_ITEM(payloads, i, payload);
        else Py_CLEAR(payloads);
    }
    return payloads;
}

static PyObject *pending_clear(Pending *own, PyObject *unused) {
    empty(own);
    Py_RETURN_NONE;
}

typedef struct { /* what is handed out: the buffer, or a copy once a function was given one */
    const char *bytes;
    Py_ssize_t size, total;
    PyObject *copy;
} Parcel;

static Py_ssize_t hand_to_socket(Parcel *parcel, int fd) {
    ssize_t taken = send(fd, parcel->bytes, parcel->size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
    parcel->total += taken;
    return taken;
}

/* A function may do anything, flush another cohort for one. */
static Py_ssize_t hand_to_function(Parcel *parcel, PyObject *function) {
    if (parcel->copy == NULL) {
        if ((parcel->copy = PyBytes_FromStringAndSize(parcel->bytes, parcel->size)) == NULL) return -2;
        parcel->bytes = PyBytes_AS_STRING(parcel->copy);
    }
    PyObject *taken = PyObject_CallOneArg(function, parcel->copy);
    Py_ssize_t size = taken ? PyLong_AsSsize_t(taken) : -2;
    Py_XDECREF(taken);
    return PyErr_Occurred() ? -2 : size;
}

/* Give the bytes taken, -1 for a socket that failed, -2 for an exception. */
static Py_ssize_t hand(Parcel *parcel, PyObject *target) {
    if (PyLong_CheckExact(target)) return hand_to_socket(parcel, PyLong_AsLong(target));
    return hand_to_function(parcel, target);
}

static int note_short(PyObject **shorts, PyObject *member, Py_ssize_t taken) {
    PyObject *told = Py_BuildValue("On", member, taken);
    if (told == NULL || (*shorts == NULL && (*shorts = PyList_New(0)) == NULL)) return -1;
    int failed = PyList_Append(*shorts, told);
    Py_DECREF(told);
    return failed;
}

/* Send what is owed to every target; `shorts` gets those that took less. */
static int send_to(Pending *own, PyObject *targets, Py_ssize_t *total, PyObject **shorts) {
    if (!PyDict_Check(targets)) return PyErr_SetString(PyExc_TypeError, "targets must be a dict"), -1;
    if (put_together(own) < 0) return -1;
    Parcel parcel = {.bytes = (char *)buffer.bytes, .size = buffer.size};
    PyObject *member, *target;
    int failed = 0;
    for (Py_ssize_t at = 0; !failed && PyDict_Next(targets, &at, &member, &target);) {
        Py_INCREF(member), Py_INCREF(target);
        Py_ssize_t taken = hand(&parcel, target);
        if (taken != parcel.size) failed = taken == -2 || note_short(shorts, member, taken) < 0;
        Py_DECREF(member), Py_DECREF(target);
    }
    Py_XDECREF(parcel.copy);
    let_go();
    *total += parcel.total;
    return failed ? -1 : 0;
}

static PyObject *pending_send(Pending *own, PyObject *targets) {
    Py_ssize_t total = 0;
    PyObject *shorts = NULL;
    if (send_to(own, targets, &total, &shorts) < 0) return Py_XDECREF(shorts), NULL;
    return Py_BuildValue("nN", total, shorts ? shorts : PyTuple_New(0));
}

static PyMethodDef pending_methods[] = {
    {"buffer", (PyCFunction)pending_buffer, METH_NOARGS, "Give the bytes to send."},
    {"payloads", (PyCFunction)pending_payloads, METH_NOARGS, "Give what is owed, in order."},
    {"send", (PyCFunction)pending_send, METH_O, "Hand the bytes to every target; give how many were taken, and who took less."},
    {"clear", (PyCFunction)pending_clear, METH_NOARGS, "Owe nothing any more."},
    {NULL},
};

static PyMemberDef pending_members[] = {
    {"count", T_UINT, offsetof(Pending, count), READONLY, "How many payloads are owed."},
    {"batched", T_BOOL, offsetof(Pending, batched), READONLY, "Whether several ticks travel in one message."},
    {NULL},
};

static PyTypeObject PendingType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "feed.hub._path.Pending",
    .tp_basicsize = sizeof(Pending),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)pending_init,
    .tp_dealloc = (destructor)pending_dealloc,
    .tp_methods = pending_methods,
    .tp_members = pending_members,
};

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

static int owe(PyObject *takers, Item item, PyObject *begun) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(takers); i++) {
        PyObject *taker = PyTuple_GET_ITEM(takers, i);
        if (!PyObject_TypeCheck(taker, &PendingType)) return PyErr_SetString(PyExc_TypeError, "not a Pending"), -1;
        if (!((Pending *)taker)->count && PyList_Append(begun, taker) < 0) return -1;
        if (add((Pending *)taker, item) < 0) return -1;
    }
    return 0;
}

int fan_out_written(PyObject *stream, size_t size, PyObject *begun) {
    Item item = {chunk, chunk->size, size};
    chunk->owed++; /* so that nobody writes over it, whatever `find_takers` does */
    chunk->size += size;
    PyObject *takers = takers_of(stream);
    int failed = takers ? held_keep((Held *)stream, bytes_of(item), size) < 0 || owe(takers, item, begun) < 0 : 1;
    Py_XDECREF(takers);
    let_item_go(item);
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

/* A payload begins with {"type":" and the name of its kind. */
static int channel_of(Item item) {
    char kind = item.size > 9 ? bytes_of(item)[9] : 0;
    return kind == 'q' ? QUOTES : kind == 't' ? TRADES : kind == 'b' ? BARS : STATUS;
}

/* Send one cohort what is pending; `left` gets it where somebody is behind or took less. */
static int send_one(PyObject *cohort, long long *ticks, Py_ssize_t *total, PyObject *left) {
    if (!is_cohort(cohort)) return -1;
    Pending *own = (Pending *)cohort;
    PyObject *current = OF_COHORT(cohort, CURRENT), *behind = OF_COHORT(cohort, BEHIND), *shorts = NULL;
    if (!own->count) return 0;
    if (!PyDict_Check(current) || !PyDict_Check(behind)) return PyErr_SetString(PyExc_TypeError, "members must be dicts"), -1;
    Py_ssize_t members = PyDict_GET_SIZE(current) + PyDict_GET_SIZE(behind);
    for (uint32_t i = 0; i < own->count; i++) ticks[channel_of(own->items[i])] += members;
    if (send_to(own, current, total, &shorts) < 0) return Py_XDECREF(shorts), -1;
    if (shorts == NULL && !PyDict_GET_SIZE(behind)) return empty(own), 0;
    PyObject *entry = Py_BuildValue("ON", cohort, shorts ? shorts : PyTuple_New(0));
    int failed = entry ? PyList_Append(left, entry) : -1;
    Py_XDECREF(entry);
    return failed;
}

static PyObject *send_out(PyObject *module, PyObject *owed) {
    if (!PyList_Check(owed)) return PyErr_SetString(PyExc_TypeError, "cohorts must be a list"), NULL;
    long long ticks[CHANNELS] = {0};
    Py_ssize_t total = 0;
    PyObject *left = PyList_New(0);
    for (Py_ssize_t i = 0; left && i < PyList_GET_SIZE(owed); i++)
        if (send_one(PyList_GET_ITEM(owed, i), ticks, &total, left) < 0) Py_CLEAR(left);
    return left ? Py_BuildValue("(LLLL)nN", ticks[QUOTES], ticks[TRADES], ticks[BARS], ticks[STATUS], total, left) : NULL;
}

static PyMethodDef functions[] = {
    {"stamp", stamp, METH_VARARGS, "Number a burst per stream, stamp it, and give each tick's stream."},
    {"keep", keep, METH_VARARGS, "Keep a burst; give the ticks that somebody hears, their streams, and the events."},
    {"send_out", send_out, METH_O, "Send cohorts what is pending; give ticks, bytes, and the cohorts that still hold it."},
    {"fan_out", fan_out, METH_VARARGS, "Keep each payload and owe it to its takers; give those that owed nothing before."},
    {NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_path", .m_size = -1, .m_methods = functions};

PyMODINIT_FUNC PyInit__path(void) {
    PyTypeObject *types[] = {&PendingType, &RowsType, &LogType, &HeldType};
    PyObject *made = PyModule_Create(&module);
    for (size_t i = 0; made && i < sizeof types / sizeof *types; i++)
        if (PyModule_AddType(made, types[i]) < 0) Py_CLEAR(made);
    return made;
}
