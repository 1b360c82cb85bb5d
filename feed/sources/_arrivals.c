/* When and which: the first half of feed.sources.scan in C. A key is a time times the count of symbols, plus a symbol. */
#include "_market.h"

/* Causes */

typedef struct {
    const double *moments, *picks, *shares;
    const int64_t *guide;
    double unit_ns;
    Py_ssize_t count, symbols, pieces;
} Causes;

static const char *make_causes(const Causes *own, int64_t *keys) {
    for (Py_ssize_t i = 0; i < own->count; i++) {
        int64_t piece = whole(own->picks[i] * (double)own->pieces);
        if (!within(piece, own->pieces)) return "a pick must be at least 0 and less than 1";
        int64_t code = own->guide[piece];
        while (within(code, own->symbols) && own->shares[code] <= own->picks[i]) code++;
        if (!within(code, own->symbols)) return "the shares must end at 1, and the guide lead to them";
        keys[i] = whole(own->moments[i] * own->unit_ns) * own->symbols + code;
    }
    return NULL;
}

PyObject *causes(PyObject *module, PyObject *args) {
    PyObject *moments, *picks, *shares, *guide;
    Causes given = {0};
    Columns all = {0};
    if (!PyArg_ParseTuple(args, "OdOOO", &moments, &given.unit_ns, &picks, &shares, &guide)) return NULL;
    given.count = length_of(&all, moments);
    given.symbols = length_of(&all, shares);
    given.pieces = length_of(&all, guide);
    given.moments = values_of(&all, moments, 'd', given.count);
    given.picks = values_of(&all, picks, 'd', given.count);
    given.shares = values_of(&all, shares, 'd', given.symbols);
    given.guide = values_of(&all, guide, 'q', given.pieces);
    int64_t *keys = make_column(&all, 'q', given.count);
    RUN(&all, given.count, make_causes(&given, keys))
    return results_of(&all);
}

/* What lies before an end, and after it */

static const char *part(const int64_t *keys, Py_ssize_t count, int64_t end, int64_t *here, int64_t *later, Py_ssize_t *before) {
    Py_ssize_t found = 0;
    for (Py_ssize_t i = 0; i < count; i++) { /* each is put in both: a branch would be guessed wrongly */
        here[found] = keys[i], later[i - found] = keys[i] - end;
        found += keys[i] < end;
    }
    return *before = found, NULL;
}

static PyObject *parted(Columns *all, const int64_t *keys, Py_ssize_t count, int64_t end) {
    Py_ssize_t before = 0;
    int64_t *here = make_column(all, 'q', count), *later = make_column(all, 'q', count);
    RUN(all, count, part(keys, count, end, here, later, &before))
    shorten(all, 0, before), shorten(all, 1, count - before);
    return results_of(all);
}

PyObject *cut(PyObject *module, PyObject *args) {
    PyObject *keys;
    long long end;
    Columns all = {0};
    if (!PyArg_ParseTuple(args, "OL", &keys, &end)) return NULL;
    Py_ssize_t count = length_of(&all, keys);
    return parted(&all, values_of(&all, keys, 'q', count), count, end);
}

/* Offspring */

typedef struct {
    const int64_t *parents;
    const double *picks, *delays;
    double unit_ns;
    Py_ssize_t count, parent_count, symbols;
} Offspring;

static const char *bear(const Offspring *own, int64_t *born) {
    for (Py_ssize_t i = 0; i < own->count; i++) {
        int64_t parent = whole(own->picks[i] * (double)own->parent_count);
        if (!within(parent, own->parent_count)) return "a pick must be at least 0 and less than 1";
        born[i] = own->parents[parent] + whole(own->delays[i] * own->unit_ns) * own->symbols;
    }
    return NULL;
}

PyObject *offspring(PyObject *module, PyObject *args) {
    PyObject *parents, *picks, *delays;
    long long end;
    Offspring given = {0};
    Columns all = {0};
    if (!PyArg_ParseTuple(args, "OOOdnL", &parents, &picks, &delays, &given.unit_ns, &given.symbols, &end)) return NULL;
    given.count = length_of(&all, picks);
    given.parent_count = length_of(&all, parents);
    given.parents = values_of(&all, parents, 'q', given.parent_count);
    given.picks = values_of(&all, picks, 'd', given.count);
    given.delays = values_of(&all, delays, 'd', given.count);
    int64_t *born = all.failed ? NULL : PyMem_New(int64_t, given.count);
    if (born == NULL && !all.failed) PyErr_NoMemory(), all.failed = 1;
    RUN(&all, given.count, bear(&given, born))
    PyObject *found = parted(&all, born, given.count, end);
    PyMem_Free(born);
    return found;
}

/* Times and codes */

/* Divide by multiplying with the inverse, which is off by one at most as times are far below 2^52. */
static const char *take_apart(const int64_t *keys, Py_ssize_t count, int64_t symbols, int64_t start, int64_t *times, int32_t *codes) {
    double inverse = 1.0 / (double)symbols;
    for (Py_ssize_t i = 0; i < count; i++) {
        int64_t time = whole((double)keys[i] * inverse), code = keys[i] - time * symbols;
        if (code < 0) time--, code += symbols;
        if (code >= symbols) time++, code -= symbols;
        if (!within(code, symbols)) return "a time must be less than 2^52 ns";
        times[i] = time + start, codes[i] = (int32_t)code;
    }
    return NULL;
}

PyObject *times_and_codes(PyObject *module, PyObject *args) {
    PyObject *keys;
    Py_ssize_t symbols;
    long long start;
    Columns all = {0};
    if (!PyArg_ParseTuple(args, "OnL", &keys, &symbols, &start)) return NULL;
    if (symbols < 1 || symbols > INT32_MAX) return PyErr_SetString(PyExc_ValueError, "there must be 1 symbol to 2^31"), NULL;
    Py_ssize_t count = length_of(&all, keys);
    const int64_t *given = values_of(&all, keys, 'q', count);
    int64_t *times = make_column(&all, 'q', count);
    int32_t *codes = make_column(&all, 'i', count);
    RUN(&all, count, take_apart(given, count, symbols, start, times, codes))
    return results_of(&all);
}
