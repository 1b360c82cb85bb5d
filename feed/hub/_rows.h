/* The rows of a block: what _rows.c passes on and _counting.c counts. */
#ifndef FEED_ROWS_H
#define FEED_ROWS_H
#include "_columns.h"

#pragma GCC visibility push(hidden)

enum { MOST_VALUES = 4, MOST_PARTS = 2 };

typedef struct { /* of one code */
    PyObject *stream;
    Sums *day, *bar; /* of its trades so far; either may be over */
    uint32_t second; /* of the bar */
    char traded;     /* so that its quotes make no bars */
} Known;

typedef struct { /* what codes mean; the rows of later blocks hold the same while those bring the same array */
    uint32_t holders;
    PyObject *array, *symbols; /* the latter a list */
    Known *known;              /* by code */
} Names;

typedef struct {
    int channel; /* QUOTES or TRADES */
    Column rows, codes, values[MOST_VALUES];
    Py_ssize_t next;   /* the first row that has not gone out */
    PyObject *streams; /* those there are, by symbol */
    Names *names;
    PyObject *symbols; /* of those names, borrowed; likewise: */
    Known *known;
} Part;

typedef struct {
    PyObject_HEAD
    Column ts_event;
    Part parts[MOST_PARTS];
    int count;
    PyObject *open_stream, *encode, *bars, *traded, *last_values, *statistics;
    PyObject *seconds; /* the open bars; NULL for none */
    uint32_t second;   /* which those are */
} Rows;

typedef struct { /* one row on its way */
    Part *part;
    Known *known;
    Py_ssize_t at; /* its place in the part */
    int64_t seq, ts_event, ts_out;
} Row;

#define SYMBOL_OF(row) PyList_GET_ITEM((row)->part->symbols, code_at(&(row)->part->codes, (row)->at))

/* Tell whether rows start..stop close no bar; whoever asks passes them on (_rows.c). */
int rows_hold(Rows *own, Py_ssize_t start, Py_ssize_t stop);

/* Pass rows on; give the cohorts that owed nothing before. */
PyObject *rows_pass_on(Rows *own, Py_ssize_t start, Py_ssize_t stop, long long ts_out, Py_ssize_t *heard);

/* Count a row in bars and statistics (_counting.c). */
int count_trade(Rows *own, Row *row);
int count_quote(Rows *own, Row *row);

/* See which bars are open. They are held, so that no later ones are taken for them. */
int find_seconds(Rows *own);

#pragma GCC visibility pop
#endif
