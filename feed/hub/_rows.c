/* feed.hub.rows in C: rows of a block become payloads, are kept and owed, with no tick object for any.
 *
 * feed/hub/rows.py says what it does, in Python; both give the same bytes: those of feed.protocol.codec. */
#include "_rows.h"
#include "_writing.h"
#include <structmember.h>

enum { ROOM = 1024, AHEAD = 4, FAR_AHEAD = 12 };

/* Writing */

static const struct {
    int values;
    Text begin, packed_begin, names[MOST_VALUES], packed_names[MOST_VALUES]; /* MessagePack puts lengths before */
} kinds[] = {
    {4, TEXT_OF("{\"type\":\"quote\",\"symbol\":\""), TEXT_OF("\x89\xa4type\xa5quote\xa6symbol"),
     {TEXT_OF(",\"bid\":"), TEXT_OF(",\"bid_size\":"), TEXT_OF(",\"ask\":"), TEXT_OF(",\"ask_size\":")},
     {TEXT_OF("\xa3" "bid"), TEXT_OF("\xa8" "bid_size"), TEXT_OF("\xa3" "ask"), TEXT_OF("\xa8" "ask_size")}},
    {2, TEXT_OF("{\"type\":\"trade\",\"symbol\":\""), TEXT_OF("\x87\xa4type\xa5trade\xa6symbol"),
     {TEXT_OF(",\"price\":"), TEXT_OF(",\"size\":")},
     {TEXT_OF("\xa5price"), TEXT_OF("\xa4size")}},
};

static const Text seq = TEXT_OF("\",\"seq\":"), ts_event = TEXT_OF(",\"ts_event\":"), ts_out = TEXT_OF(",\"ts_out\":");
static const Text packed_seq = TEXT_OF("\xa3seq"), packed_ts_event = TEXT_OF("\xa8ts_event"), packed_ts_out = TEXT_OF("\xa6ts_out");

/* The kind is a constant where it is called, so that the compiler knows the size of each text. */
static inline __attribute__((always_inline)) int encode_as(int kind, Writer *to, const Row *row) {
    Py_ssize_t size;
    const char *symbol = text_of(SYMBOL_OF(row), &size);
    if (symbol == NULL) return -1;
    put(to, kinds[kind].begin), put_bytes(to, symbol, size);
    put(to, seq), put_int(to, row->seq);
    put(to, ts_event), put_int(to, row->ts_event);
#pragma GCC unroll 4
    for (int i = 0; i < kinds[kind].values; i++) {
        put(to, kinds[kind].names[i]);
        if (put_number(to, &row->part->values[i], row->at) < 0) return -1;
    }
    put(to, ts_out), put_int(to, row->ts_out);
    *to->at++ = '}';
    return 0;
}

static int encode_row(Writer *to, const Row *row) {
    return row->part->channel == QUOTES ? encode_as(QUOTES, to, row) : encode_as(TRADES, to, row);
}

static int pack_row(Writer *to, const Row *row) {
    int kind = row->part->channel;
    Py_ssize_t size;
    const char *symbol = text_of(SYMBOL_OF(row), &size);
    if (symbol == NULL) return -1;
    put(to, kinds[kind].packed_begin), pack_text(to, symbol, size);
    put(to, packed_seq), pack_int(to, row->seq);
    put(to, packed_ts_event), pack_int(to, row->ts_event);
    for (int i = 0; i < kinds[kind].values; i++)
        put(to, kinds[kind].packed_names[i]), pack_number(to, &row->part->values[i], row->at);
    put(to, packed_ts_out), pack_int(to, row->ts_out);
    return 0;
}

/* The way of a row */

static int find_known(Rows *own, Row *row) {
    int32_t code = code_at(&row->part->codes, row->at);
    if (code < 0 || code >= PyList_GET_SIZE(row->part->symbols)) return PyErr_SetString(PyExc_IndexError, "a code has no symbol"), -1;
    row->known = &row->part->known[code];
    if (row->known->stream) return 0;
    PyObject *symbol = SYMBOL_OF(row), *stream = Py_XNewRef(PyDict_GetItemWithError(row->part->streams, symbol));
    if (stream == NULL && !PyErr_Occurred())
        stream = PyObject_CallFunction(own->open_stream, "sO", row->part->channel == QUOTES ? "quotes" : "trades", symbol);
    if (stream == NULL || !is_stream(stream)) return Py_XDECREF(stream), -1;
    row->known->stream = stream;
    return 0;
}

static int send_row(Writer *to, Row *row, PyObject *begun, Py_ssize_t *heard) {
    PyObject *stream = row->known->stream;
    int hears = is_heard(stream);
    uint8_t *start = room_for(ROOM);
    if ((to->at = start) == NULL) return -1;
    row->seq = ++((Held *)stream)->seq;
    if ((hears ? encode_row(to, row) : pack_row(to, row)) < 0) return -1;
    *heard += hears;
    return hears ? fan_out_written(stream, to->at - start, begun) : held_keep((Held *)stream, start, to->at - start);
}

static void begin_at(Rows *own, Py_ssize_t start) {
    for (Part *part = own->parts; part < own->parts + own->count; part++)
        if (!part->rows.type) part->next = start;
        else while (part->next < length(&part->rows) && int_at(&part->rows, part->next) < start) part->next++;
}

/* Give the part that a row is of; NULL with an exception when there is none. */
static Part *part_of(Rows *own, Py_ssize_t at) {
    for (Part *part = own->parts; part < own->parts + own->count; part++)
        if (part->next < length(&part->codes) && (!part->rows.type || int_at(&part->rows, part->next) == at)) return part;
    return PyErr_SetString(PyExc_IndexError, "a row is in no part"), NULL;
}

static PyObject *stream_at(const Part *part, Py_ssize_t at) {
    int32_t code = at < length(&part->codes) ? code_at(&part->codes, at) : -1;
    return code >= 0 && code < PyList_GET_SIZE(part->symbols) ? part->known[code].stream : NULL;
}

/* What a row needs was last used hundreds of rows ago. It is fetched into the cache while the rows before it are
 * on their way: the stream first, and once that is there, what it points at. */
static void prefetch(const Part *part) {
    PyObject *far = stream_at(part, part->next + FAR_AHEAD), *near = stream_at(part, part->next + AHEAD);
    if (far) {
        prefetch_stream(far);
        for (int i = 0; i < kinds[part->channel].values; i++)
            if (part->values[i].type) __builtin_prefetch((int64_t *)part->values[i].view.buf + part->next + FAR_AHEAD);
    }
    if (near) prefetch_next(near);
}

static int pass_on_one(Rows *own, Writer *to, Row *row, PyObject *begun, Py_ssize_t *heard) {
    if (find_known(own, row) < 0) return -1;
    int failed = row->part->channel == TRADES ? count_trade(own, row) : count_quote(own, row);
    return failed < 0 ? -1 : send_row(to, row, begun, heard);
}

int rows_hold(Rows *own, Py_ssize_t start, Py_ssize_t stop) {
    if (start < 0 || start >= stop || stop > length(&own->ts_event)) return PyErr_SetString(PyExc_IndexError, "the block has no such rows"), -1;
    if (own->bars == Py_None) return 1;
    long long first = int_at(&own->ts_event, start), newest = int_at(&own->ts_event, stop - 1), end, now, rewind;
    if (number_of(own->bars, NAME("_second_end_ns"), &end) < 0 || number_of(own->bars, NAME("_rewind_ns"), &rewind) < 0) return -1;
    if (number_of(own->bars, NAME("_now_ns"), &now) < 0) return -1;
    if (first >= end || newest >= end || first < now - rewind) return 0;
    PyObject *late = PyLong_FromLongLong(newest);
    int failed = late ? PyObject_SetAttr(own->bars, NAME("_now_ns"), late) : -1;
    Py_XDECREF(late);
    return failed ? -1 : 1;
}

PyObject *rows_pass_on(Rows *own, Py_ssize_t start, Py_ssize_t stop, long long ts_out, Py_ssize_t *heard) {
    if (start < 0 || stop > length(&own->ts_event)) return PyErr_SetString(PyExc_IndexError, "the block has no such rows"), NULL;
    PyObject *begun = PyList_New(0);
    Writer writer = {.encode = own->encode};
    begin_at(own, start);
    int failed = !begun || find_seconds(own) < 0;
    for (Py_ssize_t at = start; !failed && at < stop; at++) {
        Part *part = part_of(own, at);
        if (part == NULL) { failed = 1; break; }
        prefetch(part);
        Row row = {.part = part, .at = part->next++, .ts_event = int_at(&own->ts_event, at), .ts_out = ts_out};
        failed = pass_on_one(own, &writer, &row, begun, heard) < 0;
    }
    if (failed) Py_CLEAR(begun);
    return begun;
}

static PyObject *pass_on(Rows *own, PyObject *args) {
    Py_ssize_t start, stop, heard = 0;
    long long ts_out;
    if (!PyArg_ParseTuple(args, "nnL", &start, &stop, &ts_out)) return NULL;
    PyObject *begun = rows_pass_on(own, start, stop, ts_out, &heard);
    return begun ? Py_BuildValue("Nn", begun, heard) : NULL;
}

static PyObject *holds(Rows *own, PyObject *args) {
    Py_ssize_t start, stop;
    if (!PyArg_ParseTuple(args, "nn", &start, &stop)) return NULL;
    int told = rows_hold(own, start, stop);
    return told < 0 ? NULL : PyBool_FromLong(told);
}

/* The type */

static void close_names(Names *names) {
    if (names == NULL || --names->holders) return;
    for (Py_ssize_t i = 0; names->known && i < PyList_GET_SIZE(names->symbols); i++) {
        Known *known = &names->known[i];
        Py_XDECREF(known->stream), Py_XDECREF(known->day), Py_XDECREF(known->bar);
    }
    PyMem_Free(names->known);
    Py_XDECREF(names->array), Py_XDECREF(names->symbols);
    PyMem_Free(names);
}

static Names *new_names(PyObject *array) {
    Names *names = PyMem_Calloc(1, sizeof *names);
    if (names == NULL) return PyErr_NoMemory(), NULL;
    names->holders = 1, names->array = Py_NewRef(array);
    names->symbols = PyObject_CallMethod(array, "tolist", NULL);
    if (names->symbols && !PyList_Check(names->symbols)) PyErr_SetString(PyExc_TypeError, "symbols must be an array");
    else if (names->symbols) {
        names->known = PyMem_Calloc(PyList_GET_SIZE(names->symbols) + 1, sizeof *names->known);
        if (names->known) return names;
        PyErr_NoMemory();
    }
    return close_names(names), NULL;
}

/* Give the names of a part: those of the rows before where it has the same array, so that nothing is found anew. */
static Names *names_of(const Rows *before, const Part *part, PyObject *array) {
    for (int i = 0; before && i < before->count; i++) {
        const Part *own = &before->parts[i];
        if (own->names && own->streams == part->streams && own->names->array == array)
            return own->names->holders++, own->names;
    }
    return new_names(array);
}

static int open_part(Part *part, PyObject *given, const Rows *before) {
    PyObject *rows, *codes, *array, *values[MOST_VALUES];
    if (!PyArg_ParseTuple(given, "iOOOO!OOOO", &part->channel, &rows, &codes, &array, &PyDict_Type, &part->streams,
                          &values[0], &values[1], &values[2], &values[3])) return part->streams = NULL, -1;
    Py_INCREF(part->streams);
    if (part->channel != QUOTES && part->channel != TRADES) return PyErr_SetString(PyExc_ValueError, "rows are quotes or trades"), -1;
    if ((part->names = names_of(before, part, array)) == NULL) return -1;
    part->symbols = part->names->symbols, part->known = part->names->known;
    int failed = open_column(&part->rows, rows) < 0 || open_column(&part->codes, codes) < 0;
    for (int i = 0; !failed && i < kinds[part->channel].values; i++) failed = open_column(&part->values[i], values[i]) < 0;
    if (failed) return -1;
    for (int i = 0; i < kinds[part->channel].values; i++)
        if (part->values[i].type && (part->values[i].type == 'i' || length(&part->values[i]) != length(&part->codes))) failed = 1;
    if (part->rows.type && (part->rows.type != 'q' || length(&part->rows) != length(&part->codes))) failed = 1;
    if (failed || part->codes.type != 'i' || (part->channel == QUOTES && !(part->values[0].type && part->values[2].type)))
        return PyErr_SetString(PyExc_TypeError, "columns do not fit each other"), -1;
    return 0;
}

static void close_part(Part *part) {
    close_names(part->names);
    close_column(&part->rows), close_column(&part->codes);
    for (int i = 0; i < MOST_VALUES; i++) close_column(&part->values[i]);
    Py_XDECREF(part->streams);
}

/* Go on from the rows before, if they were counted where these are; else nothing that is known of them holds. */
static const Rows *goes_on_from(Rows *own, PyObject *given) {
    const Rows *before = (const Rows *)given;
    if (given == Py_None || before->bars != own->bars || before->statistics != own->statistics) return NULL;
    own->seconds = Py_XNewRef(before->seconds), own->second = before->second;
    return before;
}

static PyObject *rows_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *ts_event, *parts, *open_stream, *encode, *bars, *traded, *last_values, *statistics, *given;
    if (!PyArg_ParseTuple(args, "OO!OOOOOO!O", &ts_event, &PyTuple_Type, &parts, &open_stream, &encode, &bars, &traded, &last_values, &PyDict_Type, &statistics, &given)) return NULL;
    if ((bars != Py_None && !PySet_Check(traded)) || (given != Py_None && !Py_IS_TYPE(given, type)))
        return PyErr_SetString(PyExc_TypeError, "bars need a set of what traded, and rows go on from rows"), NULL;
    Rows *own = (Rows *)type->tp_alloc(type, 0);
    if (own == NULL) return NULL;
    own->open_stream = Py_NewRef(open_stream), own->encode = Py_NewRef(encode), own->bars = Py_NewRef(bars);
    own->traded = Py_NewRef(traded), own->last_values = Py_NewRef(last_values), own->statistics = Py_NewRef(statistics);
    const Rows *before = goes_on_from(own, given);
    int failed = open_column(&own->ts_event, ts_event) < 0;
    if (!failed && own->ts_event.type != 'q') PyErr_SetString(PyExc_TypeError, "times must be int64"), failed = 1;
    if (!failed && PyTuple_GET_SIZE(parts) > MOST_PARTS) PyErr_SetString(PyExc_ValueError, "too many parts"), failed = 1;
    while (!failed && own->count < PyTuple_GET_SIZE(parts)) {
        PyObject *part = PyTuple_GET_ITEM(parts, own->count);
        failed = open_part(&own->parts[own->count++], part, before) < 0;
    }
    if (failed) Py_CLEAR(own);
    return (PyObject *)own;
}

static void rows_dealloc(Rows *own) {
    close_column(&own->ts_event);
    for (int i = 0; i < own->count; i++) close_part(&own->parts[i]);
    Py_XDECREF(own->open_stream), Py_XDECREF(own->encode), Py_XDECREF(own->bars);
    Py_XDECREF(own->traded), Py_XDECREF(own->last_values), Py_XDECREF(own->statistics), Py_XDECREF(own->seconds);
    Py_TYPE(own)->tp_free((PyObject *)own);
}

static PyMethodDef rows_methods[] = {
    {"pass_on", (PyCFunction)pass_on, METH_VARARGS, "Number, count, keep and owe rows start..stop; give the cohorts that owed nothing before, and how many are heard."},
    {"holds", (PyCFunction)holds, METH_VARARGS, "Tell whether rows start..stop close no bar."},
    {NULL},
};

PyTypeObject RowsType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "feed.hub._path.Rows",
    .tp_basicsize = sizeof(Rows),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = rows_new,
    .tp_dealloc = (destructor)rows_dealloc,
    .tp_methods = rows_methods,
};
