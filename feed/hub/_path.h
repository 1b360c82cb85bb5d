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

/* What is owed (_pending.c) */

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

extern PyTypeObject PendingType;

static inline const uint8_t *bytes_of(Item item) { return item.chunk->bytes + item.at; }

/* Give room for a payload; NULL with an exception. What is there is written over unless it is `written`. */
uint8_t *room_for(size_t size);

/* Give what was put at the beginning of the room; it is held until it is let go. */
Item written(size_t size);
void let_item_go(Item item);

int pending_add(Pending *own, Item item);
void pending_empty(Pending *own);

/* Send what is owed to every target; `shorts` gets those that took less. */
int pending_send_to(Pending *own, PyObject *targets, Py_ssize_t *total, PyObject **shorts);

/* What trades add up to (_sums.c) */

typedef struct {
    PyObject_HEAD
    double open, high, low, last, notional;
    PyObject *volume;
    long long trades, day, ts_event;
} Sums;

extern PyTypeObject SumsType;

void sums_move(Sums *own, double price);

/* Count a trade; its size is a number of Python, or None. */
int sums_add(Sums *own, double price, PyObject *size);

/* The path (_path.c) */

int is_stream(PyObject *stream);

/* Fetch a stream into the processor's cache, and what its next tick goes through. */
void prefetch_stream(PyObject *stream);
void prefetch_next(PyObject *stream);

/* Whether somebody hears the next tick of a stream. */
int is_heard(PyObject *stream);

/* Keep the payload that was written last and owe it to its takers; `begun` gets those that owed nothing before. */
int fan_out_written(PyObject *stream, size_t size, PyObject *begun);

extern PyTypeObject RowsType;

#pragma GCC visibility pop
#endif
