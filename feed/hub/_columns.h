/* Columns of numbers, as numpy has them. */
#ifndef FEED_COLUMNS_H
#define FEED_COLUMNS_H
#include "_path.h"
#include <string.h>

typedef struct {
    Py_buffer view;
    char type; /* 'i' int32, 'q' int64, 'd' float64, 0 no column */
} Column;

static inline int open_column(Column *column, PyObject *values) {
    if (values == Py_None) return 0;
    if (PyObject_GetBuffer(values, &column->view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS) < 0) return -1;
    char type = column->view.format ? column->view.format[0] : 0;
    if (type == 'l' && column->view.itemsize == 8) type = 'q';
    column->type = type; /* from here on it is released */
    if (column->view.ndim == 1 && strchr("iqd", type) && type) return 0;
    return PyErr_SetString(PyExc_TypeError, "a column must be int32, int64 or float64"), -1;
}

static inline void close_column(Column *column) {
    if (column->type) PyBuffer_Release(&column->view);
    column->type = 0;
}

static inline Py_ssize_t length(const Column *column) { return column->view.shape[0]; }
static inline int32_t code_at(const Column *column, Py_ssize_t row) { return ((int32_t *)column->view.buf)[row]; }
static inline int64_t int_at(const Column *column, Py_ssize_t row) { return ((int64_t *)column->view.buf)[row]; }
static inline double float_at(const Column *column, Py_ssize_t row) { return ((double *)column->view.buf)[row]; }

static inline double number_at(const Column *column, Py_ssize_t row) {
    return column->type == 'd' ? float_at(column, row) : (double)int_at(column, row);
}

static inline PyObject *value_at(const Column *column, Py_ssize_t row) {
    if (column->type == 'd') return PyFloat_FromDouble(float_at(column, row));
    return column->type ? PyLong_FromLongLong(int_at(column, row)) : Py_NewRef(Py_None);
}
#endif
