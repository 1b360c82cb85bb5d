/* Prices and sizes: the second half of feed.sources.scan in C, where numpy would go through each block forty times.
 *
 * Rows are taken in order of time, and a place says where the draws of each are. What is added up is whole, and every
 * other number is made by the same steps as there, so both give the same bits; the same tests run on both. */
#include "_market.h"

PyObject *numpy_empty;

/* Levels */

typedef struct {
    const int64_t *times;
    const double *normals;
    double step;
    long long before_ns, before;
    Py_ssize_t count;
} Levels;

static const char *walk(const Levels *own, int64_t *levels) {
    int64_t last_ns = own->before_ns, level = own->before;
    for (Py_ssize_t i = 0; i < own->count; i++) {
        int64_t elapsed = own->times[i] - last_ns;
        if (elapsed < 0) return "times must ascend";
        levels[i] = level += rounded(sqrt((double)elapsed) * own->step * own->normals[i]);
        last_ns = own->times[i];
    }
    return NULL;
}

static PyObject *levels(PyObject *module, PyObject *args) {
    PyObject *times, *normals;
    Levels given = {0};
    Columns all = {0};
    if (!PyArg_ParseTuple(args, "OOdLL", &times, &normals, &given.step, &given.before_ns, &given.before)) return NULL;
    given.count = length_of(&all, times);
    given.times = values_of(&all, times, 'q', given.count);
    given.normals = values_of(&all, normals, 'd', given.count);
    int64_t *found = make_column(&all, 'q', given.count);
    RUN(&all, given.count, walk(&given, found))
    return results_of(&all);
}

/* Quotes and trades */

enum { TRADE, QUOTE, KINDS }; /* as what is true is 1: kinds come at random, so a branch would be guessed wrongly */

typedef struct {
    int64_t *rows, *places;
    int32_t *codes;
} Made;

typedef struct { /* of one symbol: the places that are next, of all its ticks and of each kind */
    int32_t next, of_kind[KINDS];
} Places;

typedef struct {
    const int32_t *codes;
    const double *chances;
    const int64_t *bids;
    double share;
    Py_ssize_t count, symbols, of_kind[KINDS];
    Places *by_symbol;
    char *kinds; /* of each tick */
} Split;

/* Place the ticks of each symbol after those of the symbols before it. */
static const char *place_ticks(Split *own) {
    for (Py_ssize_t i = 0; i < own->count; i++) {
        if (!within(own->codes[i], own->symbols)) return "a code is out of range";
        own->by_symbol[own->codes[i]].next++;
    }
    int32_t before = 0;
    for (Places *its = own->by_symbol; its < own->by_symbol + own->symbols; its++) {
        int32_t ticks = its->next;
        its->next = before, before += ticks;
    }
    return NULL;
}

static void tell_kinds(Split *own) {
    for (Py_ssize_t i = 0; i < own->count; i++) {
        Places *its = own->by_symbol + own->codes[i];
        int is_first = (its->of_kind[QUOTE] + its->of_kind[TRADE] == 0) & (own->bids[own->codes[i]] == 0);
        int kind = (own->chances[its->next++] >= own->share) | is_first;
        own->kinds[i] = kind;
        its->of_kind[kind]++;
    }
}

static const char *tell_apart(Split *own) {
    const char *wrong = place_ticks(own);
    if (wrong) return wrong;
    tell_kinds(own);
    for (Places *its = own->by_symbol; its < own->by_symbol + own->symbols; its++)
        for (int kind = 0; kind < KINDS; kind++) {
            int32_t ticks = its->of_kind[kind];
            its->of_kind[kind] = own->of_kind[kind], own->of_kind[kind] += ticks;
        }
    return NULL;
}

static const char *hand_out(const Split *own, const Made *made) {
    Py_ssize_t next[KINDS] = {0};
    for (Py_ssize_t i = 0; i < own->count; i++) {
        int kind = own->kinds[i];
        Made to = made[kind];
        Py_ssize_t at = next[kind]++;
        to.rows[at] = i, to.codes[at] = own->codes[i];
        to.places[at] = own->by_symbol[own->codes[i]].of_kind[kind]++;
    }
    return NULL;
}

static Made make_rows(Columns *all, Py_ssize_t count) {
    Made made = {.rows = make_column(all, 'q', count)};
    made.codes = make_column(all, 'i', count);
    made.places = make_column(all, 'q', count);
    return made;
}

static int make_room(Columns *all, Split *own) {
    if (all->failed) return -1;
    if (own->count > INT32_MAX) return all->failed = 1, PyErr_SetString(PyExc_ValueError, "too many ticks"), -1;
    own->by_symbol = PyMem_Calloc(own->symbols + 1, sizeof(Places));
    own->kinds = PyMem_Malloc(own->count + 1);
    if (own->by_symbol && own->kinds) return 0;
    return all->failed = 1, PyErr_NoMemory(), -1;
}

static PyObject *split(PyObject *module, PyObject *args) {
    PyObject *codes, *chances, *bids;
    Split given = {0};
    Columns all = {0};
    if (!PyArg_ParseTuple(args, "OOdO", &codes, &chances, &given.share, &bids)) return NULL;
    given.count = length_of(&all, codes);
    given.symbols = length_of(&all, bids);
    given.codes = values_of(&all, codes, 'i', given.count);
    given.chances = values_of(&all, chances, 'd', given.count);
    given.bids = values_of(&all, bids, 'q', given.symbols);
    make_room(&all, &given);
    RUN(&all, given.count, tell_apart(&given))
    Made made[KINDS];
    made[QUOTE] = make_rows(&all, given.of_kind[QUOTE]), made[TRADE] = make_rows(&all, given.of_kind[TRADE]);
    RUN(&all, given.count, hand_out(&given, made))
    PyMem_Free(given.by_symbol), PyMem_Free(given.kinds);
    return results_of(&all);
}

/* What is known of symbols and rows */

typedef struct {
    const double *beta, *own_step, *anchor, *spread_scale;
    const int64_t *per_unit, *lot;
    Py_ssize_t symbols;
} Terms;

typedef struct {
    int64_t *bid, *ask, *bid_size, *ask_size, *own_log, *quoted_ns;
} Standing;

typedef struct {
    const int64_t *rows, *places;
    const int32_t *codes;
    Py_ssize_t count;
} Rows;

static Terms open_terms(Columns *all, PyObject **given) {
    Terms own = {.symbols = length_of(all, given[0])};
    own.beta = values_of(all, given[0], 'd', own.symbols), own.own_step = values_of(all, given[1], 'd', own.symbols);
    own.anchor = values_of(all, given[2], 'd', own.symbols), own.spread_scale = values_of(all, given[3], 'd', own.symbols);
    own.per_unit = values_of(all, given[4], 'q', own.symbols), own.lot = values_of(all, given[5], 'q', own.symbols);
    return own;
}

static Standing open_standing(Columns *all, PyObject **given, Py_ssize_t symbols) {
    Standing own = {.bid = kept_of(all, given[0], symbols), .ask = kept_of(all, given[1], symbols)};
    own.bid_size = kept_of(all, given[2], symbols), own.ask_size = kept_of(all, given[3], symbols);
    own.own_log = kept_of(all, given[4], symbols), own.quoted_ns = kept_of(all, given[5], symbols);
    return own;
}

static Rows open_rows(Columns *all, PyObject **given) {
    Rows own = {.count = length_of(all, given[0])};
    own.rows = values_of(all, given[0], 'q', own.count);
    own.codes = values_of(all, given[1], 'i', own.count);
    own.places = values_of(all, given[2], 'q', own.count);
    return own;
}

static int is_known(const Rows *own, Py_ssize_t at, const Terms *terms) {
    return within(own->codes[at], terms->symbols) && within(own->places[at], own->count);
}

static const char unknown[] = "a code or a place is out of range";

#define SIX(name) &name[0], &name[1], &name[2], &name[3], &name[4], &name[5]
#define THREE(name) &name[0], &name[1], &name[2]

/* Efficient prices */

static const double LOG_UNITS = 1e12; /* as in scan.py */

typedef struct {
    Rows quotes;
    const int64_t *times, *market;
    const double *normals;
    Terms terms;
    Standing standing;
    Py_ssize_t count;
} Logs;

static const char *move_prices(const Logs *own, double *logs) {
    const Rows *quotes = &own->quotes;
    for (Py_ssize_t i = 0; i < quotes->count; i++) {
        int64_t row = quotes->rows[i], place = quotes->places[i], code = quotes->codes[i];
        if (!is_known(quotes, i, &own->terms) || !within(row, own->count)) return unknown;
        int64_t elapsed = own->times[row] - own->standing.quoted_ns[code];
        if (elapsed < 0) return "times must ascend";
        double step = sqrt((double)elapsed) * own->terms.own_step[code] * own->normals[place];
        int64_t log = own->standing.own_log[code] += rounded(step);
        own->standing.quoted_ns[code] = own->times[row];
        logs[place] = (own->terms.beta[code] * (double)own->market[row] + (double)log) / LOG_UNITS;
    }
    return NULL;
}

static PyObject *logs(PyObject *module, PyObject *args) {
    PyObject *quotes[3], *times, *market, *normals, *terms[6], *standing[6];
    Logs given = {0};
    Columns all = {0};
    if (!PyArg_ParseTuple(args, "(OOO)OOO(OOOOOO)(OOOOOO)", THREE(quotes), &times, &market, &normals, SIX(terms), SIX(standing))) return NULL;
    given.quotes = open_rows(&all, quotes);
    given.count = length_of(&all, times);
    given.times = values_of(&all, times, 'q', given.count);
    given.market = values_of(&all, market, 'q', given.count);
    given.normals = values_of(&all, normals, 'd', given.quotes.count);
    given.terms = open_terms(&all, terms);
    given.standing = open_standing(&all, standing, given.terms.symbols);
    double *found = make_column(&all, 'd', given.quotes.count);
    RUN(&all, given.quotes.count, move_prices(&given, found))
    return results_of(&all);
}

/* Books and trades */

typedef struct {
    Rows quotes, trades;
    const double *moves, *spreads, *renewals, *bid_lots, *ask_lots, *sides, *lots;
    double renewal, quote_lot_scale, trade_lot_scale;
    Terms terms;
    Standing standing;
} Draws;

typedef struct {
    double *bid, *ask, *price;
    int64_t *bid_size, *ask_size, *size;
} Values;

/* Give 1, 2, ..., which is geometric, of an exponential. */
static int64_t counted(double drawn, double scale) { return whole(drawn * scale) + 1; }

static int64_t spread_of(const Draws *own, int64_t code, int64_t place) {
    int64_t before = own->standing.ask[code] - own->standing.bid[code];
    int64_t fresh = counted(own->spreads[place], own->terms.spread_scale[code]);
    return (before == 0) | (own->renewals[place] < own->renewal) ? fresh : before;
}

static void quote(const Draws *own, Py_ssize_t at, Values to) {
    const Standing *book = &own->standing;
    int64_t code = own->quotes.codes[at], place = own->quotes.places[at], lot = own->terms.lot[code];
    int64_t spread = spread_of(own, code, place);
    int64_t bid = rounded(own->terms.anchor[code] * own->moves[place] - (double)spread / 2);
    if (bid < 1) bid = 1;
    book->bid[code] = bid, book->ask[code] = bid + spread;
    double per_unit = (double)own->terms.per_unit[code];
    to.bid[at] = (double)bid / per_unit, to.ask[at] = (double)(bid + spread) / per_unit;
    to.bid_size[at] = book->bid_size[code] = counted(own->bid_lots[place], own->quote_lot_scale) * lot;
    to.ask_size[at] = book->ask_size[code] = counted(own->ask_lots[place], own->quote_lot_scale) * lot;
}

static void trade(const Draws *own, Py_ssize_t at, Values to) {
    const Standing *book = &own->standing;
    int64_t code = own->trades.codes[at], place = own->trades.places[at];
    int is_bought = own->sides[place] < 0.5;
    int64_t wanted = counted(own->lots[place], own->trade_lot_scale) * own->terms.lot[code];
    int64_t shown = is_bought ? book->ask_size[code] : book->bid_size[code];
    to.price[at] = (double)(is_bought ? book->ask[code] : book->bid[code]) / (double)own->terms.per_unit[code];
    to.size[at] = wanted < shown ? wanted : shown;
}

static const char *play(const Draws *own, Values to) {
    const Rows *quotes = &own->quotes, *trades = &own->trades;
    Py_ssize_t quoted = 0;
    for (Py_ssize_t traded = 0; traded <= trades->count; traded++) {
        int64_t until = traded < trades->count ? trades->rows[traded] : INT64_MAX;
        for (; quoted < quotes->count && quotes->rows[quoted] < until; quoted++) {
            if (!is_known(quotes, quoted, &own->terms)) return unknown;
            quote(own, quoted, to);
        }
        if (traded == trades->count) break;
        if (!is_known(trades, traded, &own->terms)) return unknown;
        trade(own, traded, to);
    }
    return quoted == quotes->count ? NULL : "rows must be those of a block";
}

static Values make_values(Columns *all, Py_ssize_t quotes, Py_ssize_t trades) {
    Values made = {.bid = make_column(all, 'd', quotes)};
    made.bid_size = make_column(all, 'q', quotes);
    made.ask = make_column(all, 'd', quotes);
    made.ask_size = make_column(all, 'q', quotes);
    made.price = make_column(all, 'd', trades);
    made.size = make_column(all, 'q', trades);
    return made;
}

static void open_draws(Columns *all, Draws *own, PyObject **of_quotes, PyObject **of_trades) {
    const double **columns[] = {&own->moves, &own->spreads, &own->renewals, &own->bid_lots, &own->ask_lots};
    for (int i = 0; i < 5; i++) *columns[i] = values_of(all, of_quotes[i], 'd', own->quotes.count);
    own->sides = values_of(all, of_trades[0], 'd', own->trades.count);
    own->lots = values_of(all, of_trades[1], 'd', own->trades.count);
}

static PyObject *columns(PyObject *module, PyObject *args) {
    PyObject *quotes[3], *trades[3], *of_quotes[5], *of_trades[2], *terms[6], *standing[6];
    Draws own = {0};
    Columns all = {0};
    if (!PyArg_ParseTuple(args, "(OOO)(OOO)(OOOOOdd)(OOd)(OOOOOO)(OOOOOO)", THREE(quotes), THREE(trades), THREE(of_quotes),
                          &of_quotes[3], &of_quotes[4], &own.renewal, &own.quote_lot_scale, &of_trades[0], &of_trades[1],
                          &own.trade_lot_scale, SIX(terms), SIX(standing))) return NULL;
    own.quotes = open_rows(&all, quotes);
    own.trades = open_rows(&all, trades);
    open_draws(&all, &own, of_quotes, of_trades);
    own.terms = open_terms(&all, terms);
    own.standing = open_standing(&all, standing, own.terms.symbols);
    Values to = make_values(&all, own.quotes.count, own.trades.count);
    RUN(&all, own.quotes.count + own.trades.count, play(&own, to))
    return results_of(&all);
}

static PyMethodDef functions[] = {
    {"causes", causes, METH_VARARGS, "Give the keys of ticks at moments in some unit, of symbols drawn by their shares."},
    {"cut", cut, METH_VARARGS, "Give those before an end, and those after it, less it."},
    {"offspring", offspring, METH_VARARGS, "Give the keys of ticks that others cause: those before an end, and after it."},
    {"times_and_codes", times_and_codes, METH_VARARGS, "Give the time of each tick and its symbol."},
    {"levels", levels, METH_VARARGS, "Give a Brownian motion in whole units at each time."},
    {"split", split, METH_VARARGS, "Tell quotes and trades apart."},
    {"logs", logs, METH_VARARGS, "Give the log of price over anchor at each quote, in order of the symbols."},
    {"columns", columns, METH_VARARGS, "Quote around the efficient price, and trade against the quote before."},
    {NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_market", .m_size = -1, .m_methods = functions};

PyMODINIT_FUNC PyInit__market(void) {
    PyObject *numpy = PyImport_ImportModule("numpy");
    if (numpy) Py_XSETREF(numpy_empty, PyObject_GetAttrString(numpy, "empty"));
    Py_XDECREF(numpy);
    return numpy_empty ? PyModule_Create(&module) : NULL;
}
