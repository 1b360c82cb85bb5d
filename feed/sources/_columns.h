/* Columns of numbers, read and made through the buffer protocol, and what both files of feed.sources._market do
 * with numbers: exactly what numpy does. */
#ifndef FEED_COLUMNS_H
#define FEED_COLUMNS_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0
#error "numbers must be kept in their own precision, as numpy keeps them"
#endif

enum { MOST_COLUMNS = 40, WORTH_RELEASING = 2000 };

typedef struct { /* of one call */
    Py_buffer views[MOST_COLUMNS];
    PyObject *made[MOST_COLUMNS]; /* those that are given back, in order */
    int opened, results, failed;
} Columns;

extern PyObject *numpy_empty; /* called like any function, so nobody needs numpy's headers */

/* 'i' is int32, 'q' int64 and 'd' float64. */
static inline int is_column(const Py_buffer *view, char type, Py_ssize_t length) {
    char given = view->format && view->format[0] && !view->format[1] ? view->format[0] : 0;
    if (given == 'l') given = view->itemsize == 8 ? 'q' : 'i';
    int has_type = given == type && (type == 'i' ? 4 : 8) == view->itemsize && (uintptr_t)view->buf % view->itemsize == 0;
    if (!has_type || view->ndim != 1) PyErr_Format(PyExc_TypeError, "a column must be one of type '%c'", type);
    else if (view->shape[0] != length) PyErr_Format(PyExc_ValueError, "a column must have %zd rows, had %zd", length, view->shape[0]);
    else return 1;
    return 0;
}

/* Give the values of a column; NULL and `failed` with an exception where it is another one, or an earlier one was. */
static inline void *open_column(Columns *own, PyObject *values, char type, Py_ssize_t length, int flags) {
    Py_buffer *view = own->views + own->opened;
    own->failed = own->failed || PyObject_GetBuffer(values, view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS | flags) < 0;
    if (own->failed) return NULL;
    own->opened++; /* from here on it is released */
    own->failed = !is_column(view, type, length);
    return own->failed ? NULL : view->buf;
}

static inline void *values_of(Columns *own, PyObject *values, char type, Py_ssize_t length) {
    return open_column(own, values, type, length, 0);
}

static inline void *kept_of(Columns *own, PyObject *values, Py_ssize_t length) { /* what the call changes */
    return open_column(own, values, 'q', length, PyBUF_WRITABLE);
}

static inline Py_ssize_t length_of(Columns *own, PyObject *values) {
    Py_ssize_t length = own->failed ? -1 : PyObject_Size(values);
    own->failed = length < 0;
    return length;
}

/* Make a column that is given back. */
static inline void *make_column(Columns *own, char type, Py_ssize_t length) {
    if (own->failed) return NULL;
    PyObject *array = PyObject_CallFunction(numpy_empty, "ns", length, type == 'i' ? "i4" : type == 'q' ? "i8" : "f8");
    own->failed = array == NULL;
    if (array) own->made[own->results++] = array;
    return open_column(own, array, type, length, PyBUF_WRITABLE);
}

/* Give back the beginning only of a column that was made. */
static inline void shorten(Columns *own, int result, Py_ssize_t length) {
    PyObject *shorter = own->failed ? NULL : PySequence_GetSlice(own->made[result], 0, length);
    own->failed = shorter == NULL;
    if (shorter) Py_SETREF(own->made[result], shorter);
}

static inline int close_columns(Columns *own) {
    while (own->opened) PyBuffer_Release(own->views + --own->opened);
    return own->failed;
}

/* Give what was made: one column, or a tuple of them; NULL where the call has failed. */
static inline PyObject *results_of(Columns *own) {
    close_columns(own);
    PyObject *all = own->failed ? NULL : own->results == 1 ? Py_NewRef(own->made[0]) : PyTuple_New(own->results);
    for (int i = 0; i < own->results; i++)
        if (all && own->results > 1) PyTuple_SET_ITEM(all, i, own->made[i]);
        else Py_DECREF(own->made[i]);
    return all;
}

/* Run a loop that says what is wrong, or NULL. Others run meanwhile, but not during a few rows, as the lock may be
 * long in coming back. */
#define RUN(own, rows, loop)                                                               \
    if (!(own)->failed) {                                                                  \
        PyThreadState *held = (rows) >= WORTH_RELEASING ? PyEval_SaveThread() : NULL;      \
        const char *wrong = (loop);                                                        \
        if (held) PyEval_RestoreThread(held);                                              \
        if (wrong) PyErr_SetString(PyExc_ValueError, wrong);                               \
        (own)->failed = wrong != NULL;                                                     \
    }

/* Whether an index lies within; a negative one is a great one. */
static inline int within(int64_t index, Py_ssize_t length) { return (uint64_t)index < (uint64_t)length; }

/* Cut off what lies behind the point; the least number stands for all that are too large, as on x86. */
static inline int64_t whole(double number) {
    return number > -0x1p63 && number < 0x1p63 ? (int64_t)number : INT64_MIN;
}

/* Round half to even. Added to 1.5 × 2^52, a number has no more bits behind the point: a third of rint's time where that
 * is a call. */
static inline int64_t rounded(double number) {
    const double beyond = 0x1.8p52;
    return number > -0x1p51 && number < 0x1p51 ? (int64_t)((number + beyond) - beyond) : whole(rint(number));
}

#endif
