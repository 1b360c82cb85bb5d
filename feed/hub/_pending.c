/* feed.hub.pending in C: what cohorts are owed, and its sending.
 *
 * Frames are put together in one buffer for all cohorts, so that it stays in the processor's cache. */
#include "_path.h"
#include <errno.h>
#include <structmember.h>
#include <sys/socket.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* CPython ignores SIGPIPE */
#endif

enum { BATCH_TICKS = 512, LEAST_ITEMS = 16, KEPT_BYTES = 1 << 20, SPARE_BYTES = 1 << 20, SOON = 4, USUAL_BYTES = 192 };

static struct { /* the bytes of the cohort that is being flushed, and room to copy to in steps */
    uint8_t *bytes;
    size_t size, room;
} buffer;

/* Putting together */

/* In steps of a constant size, as a call of memcpy takes longer than most payloads do. */
static inline uint8_t *put(uint8_t *at, const uint8_t *from, size_t size) {
    for (size_t done = 0; done < size; done += STEP_BYTES) memcpy(at + done, from + done, STEP_BYTES);
    return at + size;
}

static uint8_t *put_frame(uint8_t *at, const Payload *payload) {
    return put(at, payload->bytes - payload->header_size, payload->header_size + (size_t)payload->size);
}

static uint8_t *put_batch(uint8_t *at, Payload **owed, uint32_t count) {
    size_t size = count + 1;
    for (uint32_t i = 0; i < count; i++) size += owed[i]->size;
    at = put_header(at, size);
    for (uint32_t i = 0; i < count; i++) {
        *at++ = i ? ',' : '[';
        at = put(at, owed[i]->bytes, owed[i]->size);
    }
    *at++ = ']';
    return at;
}

static int make_room(const Pending *own) {
    size_t room = own->size + ((size_t)own->count + 1) * LONGEST_HEADER + STEP_BYTES;
    if (room <= buffer.room) return 0;
    uint8_t *bytes = PyMem_RawRealloc(buffer.bytes, room += room / 2);
    if (bytes == NULL) return PyErr_NoMemory(), -1;
    buffer.bytes = bytes, buffer.room = room;
    return 0;
}

static void prefetch(const Payload *payload) { /* hundreds of payloads of others may lie between two */
    for (size_t at = 0; at < USUAL_BYTES; at += LINE_BYTES) __builtin_prefetch((const uint8_t *)payload + at);
}

/* Put the frames of all that is owed into the buffer, and count it. */
static int put_together(const Pending *own, uint32_t *ticks) {
    Payload **owed = own->owed ? own->owed->payloads : NULL;
    if (make_room(own) < 0) return -1;
    uint8_t *at = buffer.bytes;
    for (uint32_t i = 0; i < own->count; i++) {
        if (i + SOON < own->count) prefetch(owed[i + SOON]);
        ticks[owed[i]->channel]++;
        if (!own->batched) at = put_frame(at, owed[i]);
    }
    for (uint32_t i = 0; own->batched && i < own->count; i += BATCH_TICKS)
        at = put_batch(at, owed + i, own->count - i < BATCH_TICKS ? own->count - i : BATCH_TICKS);
    buffer.size = at - buffer.bytes;
    return 0;
}

static void let_buffer_go(void) { /* a large buffer is rare and would stay for good */
    if (buffer.room <= KEPT_BYTES) return;
    PyMem_RawFree(buffer.bytes);
    buffer.bytes = NULL, buffer.room = 0;
}

/* Arrays: idle cohorts have none, and whoever owes again takes the one that was let go last, which is in the cache. */

static Owed *spare;
static size_t spare_bytes;

static size_t bytes_of(const Owed *owed) { return sizeof *owed + owed->room * sizeof *owed->payloads; }

static Owed *take_spare(void) {
    Owed *taken = spare;
    spare = taken->next;
    spare_bytes -= bytes_of(taken);
    return taken;
}

static void keep_spare(Owed *owed) {
    if (spare_bytes + bytes_of(owed) > SPARE_BYTES) return PyMem_RawFree(owed);
    owed->next = spare, spare = owed;
    spare_bytes += bytes_of(owed);
}

int pending_grow(Pending *own) {
    if (own->owed == NULL && spare) return own->owed = take_spare(), 0;
    uint32_t room = own->owed ? 2 * own->owed->room : LEAST_ITEMS;
    Owed *owed = PyMem_RawRealloc(own->owed, sizeof *owed + room * sizeof *owed->payloads);
    if (owed == NULL) return PyErr_NoMemory(), -1;
    own->owed = owed, owed->room = room;
    return 0;
}

void pending_empty(Pending *own) {
    if (own->owed == NULL) return;
    let_all_go(own->owed->payloads, own->count);
    keep_spare(own->owed);
    own->owed = NULL, own->count = 0, own->size = 0;
}

/* The type */

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
    uint32_t ticks[CHANNELS] = {0};
    if (put_together(own, ticks) < 0) return NULL;
    PyObject *copy = PyBytes_FromStringAndSize((char *)buffer.bytes, buffer.size);
    let_buffer_go();
    return copy;
}

static PyObject *pending_payloads(Pending *own, PyObject *unused) {
    PyObject *payloads = PyList_New(own->count);
    for (uint32_t i = 0; payloads && i < own->count; i++) {
        PyObject *payload = PyBytes_FromStringAndSize((char *)own->owed->payloads[i]->bytes, own->owed->payloads[i]->size);
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

int pending_send_to(Pending *own, PyObject *targets, Sent *sent) {
    if (!PyDict_Check(targets)) return PyErr_SetString(PyExc_TypeError, "targets must be a dict"), -1;
    if (put_together(own, sent->ticks) < 0) return -1;
    Parcel parcel = {.bytes = (char *)buffer.bytes, .size = buffer.size};
    PyObject *member, *target;
    int failed = 0;
    for (Py_ssize_t at = 0; !failed && PyDict_Next(targets, &at, &member, &target);) {
        Py_INCREF(member), Py_INCREF(target);
        Py_ssize_t taken = hand(&parcel, target);
        if (taken != parcel.size) failed = taken == -2 || note_short(&sent->shorts, member, taken) < 0;
        Py_DECREF(member), Py_DECREF(target);
    }
    Py_XDECREF(parcel.copy);
    let_buffer_go();
    sent->bytes = parcel.total;
    return failed ? -1 : 0;
}

static PyObject *pending_send(Pending *own, PyObject *targets) {
    Sent sent = {0};
    if (pending_send_to(own, targets, &sent) < 0) return Py_XDECREF(sent.shorts), NULL;
    return Py_BuildValue("nN", sent.bytes, sent.shorts ? sent.shorts : PyTuple_New(0));
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
