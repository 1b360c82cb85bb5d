/* feed.hub.log in C: recent ticks in one ring of bytes, in order of arrival.
 *
 * A record is a head and a payload. The oldest are written over; each is taken from its stream first, which
 * has the places of its own. So nothing is allocated or freed for a tick, and what is old is read once, in
 * order, when it goes. */
#include "_path.h"
#include <string.h>
#include <structmember.h>
#include <sys/mman.h>

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

enum { LEAST_ROOM = 16, SPARE = 1 << 17, SOON_BYTES = 2048 };
static const uint32_t FILLER = UINT32_MAX; /* in place of a stream's number: nothing up to the ring's end */

typedef struct {
    uint32_t number, size; /* the stream's, and the payload's */
    uint64_t serial;       /* among all that the stream was ever given */
} Head;

struct Log {
    PyObject_HEAD
    uint8_t *bytes;
    uint64_t limit, room, head, tail, filled; /* from tail to head it is filled */
    uint64_t used;                            /* as the limit counts */
    Held **streams; /* by number; not owned: a stream that ends takes itself out */
    uint32_t count, streams_room;
};

static uint64_t record_bytes(uint32_t size) { return sizeof(Head) + ((uint64_t)size + 15) / 16 * 16; }
static uint64_t cost(uint32_t size) { return record_bytes(size) + sizeof(uint64_t); }

static Head head_at(const Log *own, uint64_t place) {
    Head head;
    memcpy(&head, own->bytes + place, sizeof head);
    return head;
}

static uint8_t *payload_at(const Log *own, uint64_t place) { return own->bytes + place + sizeof(Head); }
static uint64_t place(const Held *stream, uint32_t index) { return stream->at[(stream->first + index) & (stream->room - 1)]; }

/* Streams */

/* Give a stream as many places as are needed, and no more than a multiple of that. */
static int set_room(Held *own, uint32_t room) {
    uint64_t *places = PyMem_Malloc(room * sizeof *places);
    if (places == NULL) return PyErr_NoMemory(), -1;
    for (uint32_t i = 0; i < own->held; i++) places[i] = place(own, i);
    PyMem_Free(own->at);
    own->at = places, own->first = 0, own->room = room;
    return 0;
}

static int save_newest(Held *own, const uint8_t *bytes, uint32_t size) {
    uint8_t *copy = PyMem_Realloc(own->newest, size + 1);
    if (copy == NULL) return PyErr_NoMemory(), -1;
    memcpy(copy, bytes, size);
    own->newest = copy, own->newest_size = size;
    return 0;
}

static void let_newest_go(Held *own) {
    PyMem_Free(own->newest);
    own->newest = NULL, own->newest_size = 0;
}

/* Let the oldest tick go; the newest stays readable. */
static int drop_first(Held *own) {
    if (own->held == 1) {
        uint64_t first = place(own, 0);
        if (save_newest(own, payload_at(own->log, first), head_at(own->log, first).size) < 0) return -1;
    }
    own->first = (own->first + 1) & (own->room - 1);
    own->first_serial++, own->held--;
    return own->room > LEAST_ROOM && own->held < own->room / 8 ? set_room(own, own->room / 2) : 0;
}

/* The ring */

static void pass(Log *own, uint64_t bytes) { /* what is oldest */
    own->tail = own->tail + bytes == own->room ? 0 : own->tail + bytes;
    own->filled -= bytes;
}

/* What is oldest is soon read, and then written over. Past the ring's end it is no use, and no harm. */
static void prefetch_oldest(const uint8_t *bytes, uint64_t size) {
    for (uint64_t at = 0; at < size; at += LINE_BYTES) __builtin_prefetch(bytes + at);
}

static int drop_oldest(Log *own) {
    Head head = head_at(own, own->tail);
    if (head.number == FILLER) return pass(own, own->room - own->tail), 0;
    prefetch_oldest(own->bytes + own->tail + SOON_BYTES, record_bytes(head.size));
    Held *stream = own->streams[head.number];
    if (stream && stream->held && stream->first_serial == head.serial && drop_first(stream) < 0) return -1;
    pass(own, record_bytes(head.size));
    own->used -= cost(head.size);
    return 0;
}

static void write_record(Log *own, Head head, const uint8_t *bytes, uint64_t whole) {
    memcpy(own->bytes + own->head, &head, sizeof head);
    if (bytes) memcpy(payload_at(own, own->head), bytes, head.size);
    own->head = own->head + whole == own->room ? 0 : own->head + whole;
    own->filled += whole;
}

/* Make room for a payload at the head. Records and the room are of whole heads, so a filler's head always fits. */
static int make_room(Log *own, uint32_t size) {
    uint64_t needed = record_bytes(size), rest = own->room - own->head;
    uint64_t filler = rest < needed ? rest : 0;
    while (own->filled && (own->used + cost(size) > own->limit || own->filled + filler + needed > own->room))
        if (drop_oldest(own) < 0) return -1;
    if (filler) write_record(own, (Head){FILLER, 0, 0}, NULL, filler);
    return 0;
}

static int append(Log *own, Held *stream, const uint8_t *bytes, uint32_t size) {
    if (make_room(own, size) < 0) return -1;
    if (stream->held == stream->room && set_room(stream, stream->room ? 2 * stream->room : LEAST_ROOM) < 0) return -1;
    stream->at[(stream->first + stream->held++) & (stream->room - 1)] = own->head;
    Head head = {stream->number, size, stream->first_serial + stream->held - 1};
    write_record(own, head, bytes, record_bytes(size));
    own->used += cost(size);
    return 0;
}

static void let_held_go(Held *own) { own->first_serial += own->held, own->held = 0; }

void held_prefetch(const Held *own) {
    if (own->room) __builtin_prefetch(&own->at[(own->first + own->held) & (own->room - 1)]);
}

int held_keep(Held *own, const uint8_t *bytes, uint32_t size) {
    if (own->log == NULL || own->most == 0 || cost(size) > own->log->limit || record_bytes(size) > SPARE) {
        let_held_go(own); /* what is held ends with the newest tick */
        return save_newest(own, bytes, size);
    }
    if (own->held == own->most && drop_first(own) < 0) return -1;
    if (append(own->log, own, bytes, size) < 0) return -1;
    if (own->newest) let_newest_go(own);
    return 0;
}

static PyObject *log_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    long long limit;
    if (!PyArg_ParseTuple(args, "L", &limit)) return NULL;
    if (limit < 0) return PyErr_SetString(PyExc_ValueError, "limit_bytes must be 0 or more"), NULL;
    Log *own = (Log *)type->tp_alloc(type, 0);
    if (own == NULL) return NULL;
    own->limit = limit;
    own->room = ((uint64_t)limit + SPARE + 15) / 16 * 16;
    /* Pages are taken as they are written, so a large limit costs nothing yet. */
    void *bytes = mmap(NULL, own->room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED) return Py_DECREF(own), PyErr_NoMemory();
    own->bytes = bytes;
    return (PyObject *)own;
}

static void log_dealloc(Log *own) {
    if (own->bytes) munmap(own->bytes, own->room);
    PyMem_Free(own->streams);
    Py_TYPE(own)->tp_free((PyObject *)own);
}

static PyObject *log_held_bytes(Log *own, void *unused) { return PyLong_FromUnsignedLongLong(own->used); }

static PyGetSetDef log_members[] = {
    {"held_bytes", (getter)log_held_bytes, NULL, "What the ticks take that are held.", NULL},
    {NULL},
};

PyTypeObject LogType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "feed.hub._path.Log",
    .tp_basicsize = sizeof(Log),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = log_new,
    .tp_dealloc = (destructor)log_dealloc,
    .tp_getset = log_members,
};

/* What a stream is in Python */

static int number_in(Log *log, Held *own) {
    if (log->count == log->streams_room) {
        uint32_t room = log->streams_room ? 2 * log->streams_room : LEAST_ROOM;
        Held **streams = PyMem_Realloc(log->streams, room * sizeof *streams);
        if (streams == NULL) return PyErr_NoMemory(), -1;
        log->streams = streams, log->streams_room = room;
    }
    own->number = log->count++;
    log->streams[own->number] = own;
    return 0;
}

static PyObject *held_open(Held *own, PyObject *args) {
    Log *log;
    unsigned int most;
    if (!PyArg_ParseTuple(args, "O!I", &LogType, &log, &most)) return NULL;
    if (own->log) return PyErr_SetString(PyExc_ValueError, "the stream is in a log already"), NULL;
    if (number_in(log, own) < 0) return NULL;
    own->log = (Log *)Py_NewRef(log), own->most = most;
    Py_RETURN_NONE;
}

static PyObject *held_keep_bytes(Held *own, PyObject *payload) {
    if (!PyBytes_Check(payload)) return PyErr_SetString(PyExc_TypeError, "payloads must be bytes"), NULL;
    if (held_keep(own, (uint8_t *)PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload)) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *held_clear(Held *own, PyObject *unused) {
    let_held_go(own);
    let_newest_go(own);
    Py_RETURN_NONE;
}

static PyObject *bytes_at(Held *own, uint32_t index) {
    uint64_t found = place(own, index);
    return PyBytes_FromStringAndSize((char *)payload_at(own->log, found), head_at(own->log, found).size);
}

static PyObject *held_find(Held *own, PyObject *args) {
    Py_ssize_t start, count;
    if (!PyArg_ParseTuple(args, "nn", &start, &count)) return NULL;
    if (start < 0 || start > own->held || count < 0) return PyErr_SetString(PyExc_IndexError, "no such ticks are held"), NULL;
    if (count > own->held - start) count = own->held - start;
    PyObject *found = PyList_New(count);
    for (Py_ssize_t i = 0; found && i < count; i++) {
        PyObject *payload = bytes_at(own, start + i);
        if (payload) PyList_SET_ITEM(found, i, payload);
        else Py_CLEAR(found);
    }
    return found;
}

static PyObject *held_newest(Held *own, void *unused) {
    if (own->held) return bytes_at(own, own->held - 1);
    if (own->newest) return PyBytes_FromStringAndSize((char *)own->newest, own->newest_size);
    Py_RETURN_NONE;
}

static PyObject *held_opened(Held *own, void *unused) { return PyBool_FromLong(own->log != NULL); }

static void held_dealloc(Held *own) {
    if (own->log) own->log->streams[own->number] = NULL;
    Py_XDECREF(own->log);
    PyMem_Free(own->at);
    PyMem_Free(own->newest);
    Py_TYPE(own)->tp_free((PyObject *)own);
}

static PyMethodDef held_methods[] = {
    {"open", (PyCFunction)held_open, METH_VARARGS, "Have so many ticks at most in a log from now on."},
    {"keep", (PyCFunction)held_keep_bytes, METH_O, "Keep the newest payload."},
    {"clear", (PyCFunction)held_clear, METH_NOARGS, "Let all payloads go."},
    {"find", (PyCFunction)held_find, METH_VARARGS, "Give payloads by their places, the oldest is 0, and how many."},
    {NULL},
};

static PyMemberDef held_members[] = {
    {"seq", T_LONGLONG, offsetof(Held, seq), 0, "Of the newest tick."},
    {"held", T_UINT, offsetof(Held, held), READONLY, "How many payloads are held."},
    {NULL},
};

static PyGetSetDef held_getset[] = {
    {"newest", (getter)held_newest, NULL, "The newest payload, or None.", NULL},
    {"opened", (getter)held_opened, NULL, "Whether it is in a log.", NULL},
    {NULL},
};

PyTypeObject HeldType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "feed.hub._path.Held",
    .tp_basicsize = sizeof(Held),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)held_dealloc,
    .tp_methods = held_methods,
    .tp_members = held_members,
    .tp_getset = held_getset,
};
