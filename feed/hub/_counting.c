/* Rows counted in bars and statistics: what feed.hub.bars and feed.hub.last_values do with ticks.
 *
 * What is rare is left to those: the first trade of a day. */
#include "_rows.h"

static const int64_t DAY_NS = 86400000000000, REWIND_NS = 1000000000;

static int call(PyObject *own, const char *name, PyObject *args) {
    PyObject *method = args ? PyObject_GetAttrString(own, name) : NULL;
    PyObject *done = method ? PyObject_CallObject(method, args) : NULL;
    Py_XDECREF(method), Py_XDECREF(args), Py_XDECREF(done);
    return done ? 0 : -1;
}

/* Give the sums of a symbol, borrowed; NULL where there are none, or with an exception. */
static Sums *sums_of(PyObject *by_symbol, PyObject *symbol) {
    PyObject *found = PyDict_GetItemWithError(by_symbol, symbol);
    if (found == NULL || PyObject_TypeCheck(found, &SumsType)) return (Sums *)found;
    return PyErr_SetString(PyExc_TypeError, "no sums of trades"), NULL;
}

/* Count the trade of a row into sums; most sizes are whole numbers, and need not be made Python's. */
static int add_row(Sums *own, const Row *row) {
    double price = number_at(&row->part->values[0], row->at);
    const Column *sizes = &row->part->values[1];
    if (sizes->type == 'q') return sums_add_whole(own, price, int_at(sizes, row->at));
    PyObject *size = value_at(sizes, row->at);
    int failed = size ? sums_add(own, price, size) : -1;
    Py_XDECREF(size);
    return failed;
}

static Sums *keep_sums(Sums **kept, Sums *sums) {
    Py_XSETREF(*kept, (Sums *)Py_XNewRef(sums));
    return sums;
}

/* Give the open bar of trades of a row, borrowed. Such a bar stays its symbol's until its second closes. */
static Sums *bar_of(Rows *own, const Row *row) {
    Known *known = row->known;
    if (known->bar && known->second == own->second) return known->bar;
    Sums *bar = sums_of(own->seconds, SYMBOL_OF(row));
    if (bar == NULL || !bar->trades) return NULL;
    known->second = own->second;
    return keep_sums(&known->bar, bar);
}

/* Open the bar of a row, and give it, borrowed; it takes the place of one of mid-quotes. */
static Sums *open_bar(Rows *own, const Row *row, double price) {
    Sums *bar = sums_new(price);
    int failed = bar ? PyDict_SetItem(own->seconds, SYMBOL_OF(row), (PyObject *)bar) : -1;
    Py_XDECREF(bar);
    return failed ? NULL : bar;
}

static Sums *open_bar_of_trades(Rows *own, const Row *row) {
    if (PyErr_Occurred() || PySet_Add(own->traded, SYMBOL_OF(row)) < 0) return NULL;
    Sums *bar = open_bar(own, row, number_at(&row->part->values[0], row->at));
    if (bar == NULL) return NULL;
    row->known->second = own->second;
    return keep_sums(&row->known->bar, bar);
}

static int count_in_bars(Rows *own, Row *row) {
    Sums *bar = bar_of(own, row);
    if (bar == NULL) bar = open_bar_of_trades(own, row);
    return bar ? add_row(bar, row) : -1;
}

static int64_t day_of(int64_t ns) { return ns / DAY_NS - (ns % DAY_NS < 0); }

static int goes_on(const Sums *day, int64_t ts_event) {
    return day && day->day == day_of(ts_event) && ts_event >= day->ts_event - REWIND_NS;
}

/* Statistics that are over have no trade's day. */
static int count_in_statistics(Rows *own, Row *row) {
    Sums **kept = &row->known->day, *day = *kept;
    if (!goes_on(day, row->ts_event)) day = keep_sums(kept, sums_of(own->statistics, SYMBOL_OF(row)));
    if (goes_on(day, row->ts_event)) return day->ts_event = row->ts_event, add_row(day, row);
    if (PyErr_Occurred()) return -1;
    double price = number_at(&row->part->values[0], row->at);
    return call(own->last_values, "count", Py_BuildValue("OLdN", SYMBOL_OF(row), (long long)row->ts_event, price, value_at(&row->part->values[1], row->at)));
}

int count_trade(Rows *own, Row *row) {
    if (count_in_statistics(own, row) < 0) return -1;
    return own->seconds ? count_in_bars(own, row) : 0;
}

int count_quote(Rows *own, Row *row) {
    if (own->seconds == NULL || row->known->traded) return 0;
    int traded = PySet_Contains(own->traded, SYMBOL_OF(row));
    if (traded) return row->known->traded = traded > 0, traded < 0 ? -1 : 0;
    double price = (number_at(&row->part->values[0], row->at) + number_at(&row->part->values[2], row->at)) / 2;
    Sums *bar = sums_of(own->seconds, SYMBOL_OF(row));
    if (bar) return sums_move(bar, price), 0;
    return PyErr_Occurred() || open_bar(own, row, price) == NULL ? -1 : 0;
}

int find_seconds(Rows *own) {
    if (own->bars == Py_None) return 0;
    PyObject *seconds = PyObject_GetAttr(own->bars, NAME("seconds"));
    if (seconds == NULL || !PyDict_Check(seconds)) {
        Py_XDECREF(seconds);
        return PyErr_Occurred() ? -1 : (PyErr_SetString(PyExc_TypeError, "seconds must be a dict"), -1);
    }
    static uint32_t last_second; /* of all rows, as they hand on what is known */
    if (seconds != own->seconds) own->second = ++last_second;
    Py_XSETREF(own->seconds, seconds);
    return 0;
}
