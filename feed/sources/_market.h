/* The functions of feed.sources._market; feed/sources/scan.py says what each does. */
#ifndef FEED_MARKET_H
#define FEED_MARKET_H
#include "_columns.h"

#pragma GCC visibility push(hidden)

/* When and which (_arrivals.c) */
PyObject *causes(PyObject *module, PyObject *args);
PyObject *cut(PyObject *module, PyObject *args);
PyObject *offspring(PyObject *module, PyObject *args);
PyObject *times_and_codes(PyObject *module, PyObject *args);

#pragma GCC visibility pop
#endif
