/* What the files of feed.hub._path share: streams, payloads, and the last step of a tick.
 *
 * What is a slot of a Python class (a T_OBJECT_EX member) is read and set where its descriptor says. */
#ifndef FEED_PATH_H
#define FEED_PATH_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#pragma GCC visibility push(hidden) /* calls between the files are direct */

enum { QUOTES, TRADES, BARS, STATUS, CHANNELS };
enum { MOST_SLOTS = 8, LINE_BYTES = 64 }; /* of a processor's cache */

typedef struct {
    PyTypeObject *type;
    Py_ssize_t at[MOST_SLOTS];
} Layout;

#define SLOT(object, layout, name) (*(PyObject **)((char *)(object) + (layout)->at[name]))

/* Whether an object is of the type whose slots a layout holds; the first one asked about says which. */
int is_of(Layout *layout, PyObject *object, const char **names);

/* Give a name as attributes are looked up by; `kept` is where it stays. */
static inline PyObject *name_of(PyObject **kept, const char *text) { return *kept ? *kept : (*kept = PyUnicode_InternFromString(text)); }

#define NAME(text) ({ static PyObject *kept; name_of(&kept, text); })

/* Give a whole number: an attribute, or what a function gives. */
int number_of(PyObject *object, PyObject *name, long long *number);
int number_from(PyObject *function, long long *number);

/* The log (_log.c) */

typedef struct Log Log;

typedef struct { /* what every stream is, and what the log holds of it */
    PyObject_HEAD
    Log *log;
    long long seq;
    uint64_t *at;              /* where its ticks are in the log, a ring */
    uint32_t first, held, room; /* the room is a power of two */
    uint64_t first_serial;     /* of the oldest that is held */
    uint32_t most;
    uint32_t number;           /* its own, in the log */
    uint8_t *newest;           /* a copy of the newest payload, while the log has none */
    uint32_t newest_size;
} Held;

extern PyTypeObject LogType, HeldType;

/* Fetch the place of a stream's next tick into the processor's cache. */
void held_prefetch(const Held *own);

/* Keep a stream's newest payload. */
int held_keep(Held *own, const uint8_t *bytes, uint32_t size);

/* Payloads (_chunks.c) */

enum { LONGEST_HEADER = 10, STEP_BYTES = 32 };

typedef struct {
    uint32_t at, size; /* from the beginning of its chunk; of its bytes */
    uint8_t channel, header_size, header[LONGEST_HEADER]; /* the header ends where the bytes begin */
    uint8_t bytes[]; /* STEP_BYTES may be read past them */
} Payload;

/* Give the channel of a tick by how the codec begins it. */
int channel_of(const uint8_t *bytes, size_t size);

/* Give room for a payload; NULL with an exception. What is there is written over unless it is `written`. */
uint8_t *room_for(size_t size);

/* Give what was put at the beginning of the room; it is held until it is let go as often as it is held. */
Payload *written(size_t size);
void hold(Payload *payload, uint32_t times);
void let_go(Payload *payload);
void let_all_go(Payload **payloads, uint32_t count);

/* Write the header of a text frame, and give its end. */
uint8_t *put_header(uint8_t *at, size_t size);
static inline int header_size(size_t size) { return size < 126 ? 2 : size < 65536 ? 4 : LONGEST_HEADER; }

/* What is owed (_pending.c) */

typedef struct Owed { /* an array */
    struct Owed *next; /* of those that are spare */
    uint32_t room;
    Payload *payloads[];
} Owed;

typedef struct {
    PyObject_HEAD
    Owed *owed; /* NULL for nothing */
    size_t size; /* of all payloads */
    uint32_t count;
    char batched;
} Pending;

extern PyTypeObject PendingType;

/* Give room for more payloads. */
int pending_grow(Pending *own);

/* Owe a payload, which the caller holds once more for it. */
static inline int pending_add(Pending *own, Payload *payload) {
    if ((own->owed == NULL || own->count == own->owed->room) && pending_grow(own) < 0) return -1;
    own->owed->payloads[own->count++] = payload;
    own->size += payload->size;
    return 0;
}

void pending_empty(Pending *own);

typedef struct {
    Py_ssize_t bytes;         /* that sockets took */
    uint32_t ticks[CHANNELS]; /* that were handed to each target */
    PyObject *shorts;         /* targets that took less, each with how much; NULL for none */
} Sent;

/* Send what is owed to every target. */
int pending_send_to(Pending *own, PyObject *targets, Sent *sent);

/* What trades add up to (_sums.c) */

typedef struct {
    PyObject_HEAD
    double open, high, low, last, notional;
    PyObject *volume; /* NULL while it is whole and fits: */
    long long whole_volume;
    long long trades, day, ts_event;
} Sums;

extern PyTypeObject SumsType;

void sums_move(Sums *own, double price);

/* Count a trade; its size is a number of Python, or None. */
int sums_add(Sums *own, double price, PyObject *size);
int sums_add_whole(Sums *own, double price, long long size);

/* Give sums to which a first price is still to be counted. */
Sums *sums_new(double price);

PyObject *gather(PyObject *module, PyObject *args);
PyObject *bars_of(PyObject *module, PyObject *args);

/* The path (_path.c) */

int is_stream(PyObject *stream);

/* Fetch a stream into the processor's cache, and what its next tick goes through. */
void prefetch_stream(PyObject *stream);
void prefetch_next(PyObject *stream);

/* Whether somebody hears the next tick of a stream. */
int is_heard(PyObject *stream);

/* Keep the payload that was written last and owe it to its takers; `begun` gets those that owed nothing before. */
int fan_out_written(PyObject *stream, size_t size, PyObject *begun);

/* Tell the stream and the seq of each payload (_heads.c). */
PyObject *heads_of(PyObject *module, PyObject *args);

typedef struct { /* of some sends: the ticks that were handed over, and the bytes that sockets took */
    long long ticks[CHANNELS];
    Py_ssize_t bytes;
} Totals;

/* Send cohorts (a list) what is pending; give those that still hold it, as feed.hub.path.send_out does. */
PyObject *send_cohorts(PyObject *owed, Totals *totals);

extern PyTypeObject RowsType, DirectType;

#pragma GCC visibility pop
#endif
