/* feed.hub.pending in C: what cohorts are owed, its framing, and its sending.
 *
 * A payload is written once, into a chunk, and what a cohort is owed is noted as places there. Frames are
 * put together in one buffer for all cohorts. Both are written over again and again, and so stay in the
 * processor's cache. */
#include "_path.h"
#include <errno.h>
#include <structmember.h>
#include <sys/socket.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* CPython ignores SIGPIPE */
#endif

enum { TEXT = 0x81, LONGEST_HEAD = 10, BATCH_TICKS = 512, LEAST_ITEMS = 16, KEPT_BYTES = 1 << 20, CHUNK_BYTES = 1 << 19 };

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

Item written(size_t size) {
    Item item = {chunk, chunk->size, size};
    chunk->size += size;
    chunk->owed++;
    return item;
}

void let_item_go(Item item) {
    if (--item.chunk->owed == 0 && item.chunk != chunk) PyMem_RawFree(item.chunk);
}

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

int pending_add(Pending *own, Item item) {
    if (own->count == own->room) {
        uint32_t room = own->room ? 2 * own->room : own->usual > LEAST_ITEMS ? own->usual : LEAST_ITEMS;
        Item *items = PyMem_Realloc(own->items, room * sizeof *items);
        if (items == NULL) return PyErr_NoMemory(), -1;
        own->items = items, own->room = room;
    }
    own->items[own->count++] = item;
    item.chunk->owed++;
    return 0;
}

void pending_empty(Pending *own) {
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
    pending_empty(own);
    own->batched = batched;
    return 0;
}

static void pending_dealloc(Pending *own) {
    pending_empty(own);
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
    pending_empty(own);
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

int pending_send_to(Pending *own, PyObject *targets, Py_ssize_t *total, PyObject **shorts) {
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
    if (pending_send_to(own, targets, &total, &shorts) < 0) return Py_XDECREF(shorts), NULL;
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

PyTypeObject PendingType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "feed.hub._path.Pending",
    .tp_basicsize = sizeof(Pending),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)pending_init,
    .tp_dealloc = (destructor)pending_dealloc,
    .tp_methods = pending_methods,
    .tp_members = pending_members,
};
