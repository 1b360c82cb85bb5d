/* What the files of feed.hub._path share: the layouts of streams and cohorts, and the last step of a tick.
 *
 * Attributes of ticks and streams are slots (T_OBJECT_EX members), and are read and set where their
 * descriptors say. */
#ifndef FEED_PATH_H
#define FEED_PATH_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

enum { QUOTES, TRADES, BARS, STATUS, CHANNELS };
enum { STREAM_SEQ, NEWEST, KEEP, TAKERS, IS_EVENT, STREAM_SLOTS };
enum { MOST_SLOTS = 8 };

typedef struct {
    PyTypeObject *type;
    Py_ssize_t at[MOST_SLOTS];
} Layout;

extern Layout stream_layout;
extern PyTypeObject RowsType;

#define SLOT(object, layout, name) (*(PyObject **)((char *)(object) + (layout)->at[name]))
#define OF_STREAM(stream, name) SLOT(stream, &stream_layout, name)

/* Whether an object is of the type whose slots a layout holds; the first one asked about says which. */
int is_of(Layout *layout, PyObject *object, const char **names);
int is_stream(PyObject *stream);

/* Give a stream its next seq, as a new reference; NULL with an exception. */
PyObject *next_seq(PyObject *stream);

/* Whether somebody hears the next tick of a stream. */
int is_heard(PyObject *stream);

/* Keep the newest payload of a stream in the journal. */
int keep_payload(PyObject *stream, PyObject *payload);

/* Keep a payload and owe it to its takers; `begun` gets those that owed nothing before. */
int fan_out_one(PyObject *stream, PyObject *payload, PyObject *begun);
#endif
