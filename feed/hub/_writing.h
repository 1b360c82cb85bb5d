/* Numbers of columns and texts, written as JSON and as MessagePack: the bytes of feed.protocol.codec. */
#ifndef FEED_WRITING_H
#define FEED_WRITING_H
#include "_columns.h"

enum { LONGEST_SYMBOL = 64 };

/* Writing: there is room for whatever a tick holds, as symbols and numbers have a greatest length */

typedef struct {
    const char *bytes;
    size_t size;
} Text;

#define TEXT_OF(literal) {literal, sizeof literal - 1}

typedef struct {
    uint8_t *at;
    PyObject *encode; /* feed.protocol.codec.encode, for what is rare */
} Writer;

static void put_bytes(Writer *to, const void *bytes, size_t size) {
    memcpy(to->at, bytes, size);
    to->at += size;
}

static void put(Writer *to, Text text) { put_bytes(to, text.bytes, text.size); }

static const char pairs[] = /* 00 to 99 */
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/* Digits go where they belong at once, and few of them wait for others: that is several times as fast as the last
 * one first into a place of their own. Each gives where it ends. */
static inline uint8_t *two_digits(uint8_t *at, uint32_t value) { return memcpy(at, pairs + 2 * value, 2), at + 2; }

static inline uint8_t *four_digits(uint8_t *at, uint32_t value) {
    return two_digits(two_digits(at, value / 100), value % 100);
}

static inline uint8_t *eight_digits(uint8_t *at, uint32_t value) {
    return four_digits(four_digits(at, value / 10000), value % 10000);
}

/* No zero in front: what is stored after the one digit of a number is written over. */
static inline uint8_t *up_to_two(uint8_t *at, uint32_t value) {
    memcpy(at, pairs + 2 * value + (value < 10), 2);
    return at + (value < 10 ? 1 : 2);
}

static inline uint8_t *up_to_four(uint8_t *at, uint32_t value) {
    return value < 100 ? up_to_two(at, value) : two_digits(up_to_two(at, value / 100), value % 100);
}

static inline uint8_t *up_to_eight(uint8_t *at, uint32_t value) {
    return value < 10000 ? up_to_four(at, value) : four_digits(up_to_four(at, value / 10000), value % 10000);
}

static uint8_t *put_digits(uint8_t *at, uint64_t value) {
    const uint64_t eight = 100000000;
    if (value < eight) return up_to_eight(at, value);
    if (value < eight * eight) return eight_digits(up_to_eight(at, value / eight), value % eight);
    at = up_to_four(at, value / eight / eight);
    return eight_digits(eight_digits(at, value / eight % eight), value % eight);
}

static void put_int(Writer *to, int64_t value) {
    if (value < 0) *to->at++ = '-';
    to->at = put_digits(to->at, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

/* Write a number as the codec does. */
static int put_encoded(Writer *to, double value) {
    PyObject *number = PyFloat_FromDouble(value), *text = number ? PyObject_CallOneArg(to->encode, number) : NULL;
    Py_XDECREF(number);
    if (text == NULL) return -1;
    int fits = PyBytes_Check(text) && PyBytes_GET_SIZE(text) < 32;
    if (fits) put_bytes(to, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text));
    else PyErr_SetString(PyExc_ValueError, "a number must be encoded as a few bytes");
    Py_DECREF(text);
    return fits ? 0 : -1;
}

/* Write a number with so many places at most, if that gives it back; both are constants where it is called. */
static inline int put_scaled(Writer *to, double value, int64_t scale, int places) {
    double scaled = value * scale + 0.5;
    int64_t whole = scaled < 1e15 ? (int64_t)scaled : -1;
    if (whole < 0 || (double)whole / scale != value) return 0;
    int64_t rest = whole % scale;
    put_int(to, whole / scale);
    *to->at++ = '.';
    for (int place = places; place--; rest /= 10) to->at[place] = '0' + rest % 10;
    to->at += places > 1 && to->at[places - 1] == '0' ? places - 1 : places;
    return 1;
}

/* A decimal of at most 15 digits that gives the number back is the shortest one that does: no two of
 * them give the same number (DBL_DIG). Most prices are one, with two places or fewer. Few places come first, and
 * two steps at a time leave at most one zero at the end; one place is for what is too large for two. */
static int put_float(Writer *to, double value) {
    if (value >= 1e-3)
        if (put_scaled(to, value, 100, 2) || put_scaled(to, value, 10, 1) || put_scaled(to, value, 10000, 4)
            || put_scaled(to, value, 1000000, 6) || put_scaled(to, value, 100000000, 8)) return 0;
    return put_encoded(to, value);
}

static int put_number(Writer *to, const Column *column, Py_ssize_t row) {
    if (column->type == 'd') return put_float(to, float_at(column, row));
    if (column->type) put_int(to, int_at(column, row));
    else put(to, (Text)TEXT_OF("null"));
    return 0;
}

/* Give the characters of a symbol; its grammar (feed.symbols) has none that JSON would escape. */
static const char *text_of(PyObject *symbol, Py_ssize_t *size) {
    const char *text = PyUnicode_AsUTF8AndSize(symbol, size);
    if (text == NULL || *size <= LONGEST_SYMBOL) return text;
    return PyErr_SetString(PyExc_ValueError, "the symbol of a tick is too long"), NULL;
}

/* MessagePack, for ticks that nobody hears */

static void pack_big_endian(Writer *to, uint8_t type, uint64_t value, int bytes) {
    *to->at++ = type;
    while (bytes--) *to->at++ = value >> (8 * bytes);
}

static void pack_int(Writer *to, int64_t value) {
    if (value >= -32 && value < 128) *to->at++ = (uint8_t)value;
    else if (value > 0 && value <= UINT8_MAX) pack_big_endian(to, 0xcc, value, 1);
    else if (value > 0 && value <= UINT16_MAX) pack_big_endian(to, 0xcd, value, 2);
    else if (value > 0 && value <= UINT32_MAX) pack_big_endian(to, 0xce, value, 4);
    else if (value > 0) pack_big_endian(to, 0xcf, value, 8);
    else if (value >= INT8_MIN) pack_big_endian(to, 0xd0, value, 1);
    else if (value >= INT16_MIN) pack_big_endian(to, 0xd1, value, 2);
    else if (value >= INT32_MIN) pack_big_endian(to, 0xd2, value, 4);
    else pack_big_endian(to, 0xd3, value, 8);
}

static void pack_number(Writer *to, const Column *column, Py_ssize_t row) {
    uint64_t bits = 0;
    if (column->type == 'd') memcpy(&bits, (double *)column->view.buf + row, sizeof bits), pack_big_endian(to, 0xcb, bits, 8);
    else if (column->type) pack_int(to, int_at(column, row));
    else *to->at++ = 0xc0;
}

static void pack_text(Writer *to, const char *text, size_t size) {
    if (size < 32) *to->at++ = 0xa0 | size;
    else pack_big_endian(to, 0xd9, size, 1);
    put_bytes(to, text, size);
}
#endif
