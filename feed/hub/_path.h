/* What the files of feed.hub._path share: streams, payloads, and the last step of a tick.
 *
 * What is a slot of a Python class (a T_OBJECT_EX member) is read and set where its descriptor says. */
#ifndef FEED_PATH_H
#define FEED_PATH_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

enum { QUOTES, TRADES, BARS, STATUS, CHANNELS };
enum { MOST_SLOTS = 8 };

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

/* Keep a stream's newest payload. */
int held_keep(Held *own, const uint8_t *bytes, uint32_t size);

/* The path (_path.c) */

int is_stream(PyObject *stream);

/* Whether somebody hears the next tick of a stream. */
int is_heard(PyObject *stream);

/* Give room for a payload; it is owed by the next `fan_out_written`, or else written over. */
uint8_t *room_for(size_t size);

/* Keep the payload that was written last and owe it to its takers; `begun` gets those that owed nothing before. */
int fan_out_written(PyObject *stream, size_t size, PyObject *begun);

extern PyTypeObject RowsType;
#endif
