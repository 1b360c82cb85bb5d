/* feed.hub.path.heads in C: whose tick a payload is, for those who did not get it, without decoding it. */
#include "_path.h"
#include <string.h>

enum { MOST_DIGITS = 19 };

/* What a payload begins with: {"type":"quote","symbol":"A","seq":1, */
static const char before_symbol[] = "\",\"symbol\":\"", before_seq[] = "\",\"seq\":";

static const char *after(const char *text, const char *end, const char *what) {
    const char *found = text ? memmem(text, end - text, what, strlen(what)) : NULL;
    return found ? found + strlen(what) : NULL;
}

/* Give the digits at a place as a number, -1 when they do not end with a comma. */
static long long seq_at(const char *digits, const char *end) {
    uint64_t seq = 0;
    const char *at = digits;
    for (; at < end && *at >= '0' && *at <= '9' && at - digits < MOST_DIGITS; at++) seq = 10 * seq + (*at - '0');
    return at > digits && at < end && *at == ',' && seq <= INT64_MAX ? (long long)seq : -1;
}

static PyObject *head_of(PyObject *payload, PyObject *ticked) {
    if (!PyBytes_Check(payload)) return PyErr_SetString(PyExc_TypeError, "payloads must be bytes"), NULL;
    const char *text = PyBytes_AS_STRING(payload), *end = text + PyBytes_GET_SIZE(payload);
    const char *symbol = after(text, end, before_symbol), *digits = after(symbol, end, before_seq);
    long long seq = digits ? seq_at(digits, end) : -1;
    if (seq < 0) return PyErr_SetString(PyExc_ValueError, "not a tick in JSON"), NULL;
    PyObject *streams = PyTuple_GET_ITEM(ticked, channel_of((uint8_t *)text, end - text));
    PyObject *name = PyUnicode_DecodeUTF8(symbol, digits - (sizeof before_seq - 1) - symbol, NULL);
    PyObject *stream = name ? PyDict_GetItemWithError(streams, name) : NULL;
    if (name && !stream && !PyErr_Occurred()) PyErr_SetObject(PyExc_KeyError, name);
    Py_XDECREF(name);
    return stream ? Py_BuildValue("OL", stream, seq) : NULL;
}

PyObject *heads_of(PyObject *module, PyObject *args) {
    PyObject *payloads, *ticked;
    if (!PyArg_ParseTuple(args, "O!O!", &PyList_Type, &payloads, &PyTuple_Type, &ticked)) return NULL;
    int fits = PyTuple_GET_SIZE(ticked) == CHANNELS;
    for (int i = 0; fits && i < CHANNELS; i++) fits = PyDict_Check(PyTuple_GET_ITEM(ticked, i));
    if (!fits) return PyErr_SetString(PyExc_TypeError, "streams must be a dict for each channel"), NULL;
    PyObject *found = PyList_New(0);
    for (Py_ssize_t i = 0; found && i < PyList_GET_SIZE(payloads); i++) {
        PyObject *head = head_of(PyList_GET_ITEM(payloads, i), ticked);
        if (head == NULL || PyList_Append(found, head) < 0) Py_CLEAR(found);
        Py_XDECREF(head);
    }
    return found;
}
