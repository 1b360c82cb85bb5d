/* Payloads on their way to cohorts: each is written once, into a chunk, and right before it the header of its frame.
 *
 * Chunks are written over again and again, and so stay in the processor's cache. */
#include "_path.h"

enum { TEXT = 0x81, CHUNK_BYTES = 1 << 19 };

typedef struct { /* payloads of some flushes, one after the other, and room to copy from in steps */
    uint32_t owed, size; /* how often what is here is held; its bytes */
    uint8_t bytes[];
} Chunk;

static Chunk *chunk; /* the one that is written to */
static uint32_t chunk_room;

static Chunk *new_chunk(size_t size) {
    chunk_room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
    Chunk *made = PyMem_RawMalloc(sizeof *made + chunk_room + STEP_BYTES);
    if (made) made->owed = made->size = 0;
    return made;
}

static size_t room_of(size_t size) { return (sizeof(Payload) + size + 3) / 4 * 4; }
static Payload *next_payload(void) { return (Payload *)(chunk->bytes + chunk->size); }

uint8_t *room_for(size_t size) {
    size_t needed = room_of(size);
    if (chunk && !chunk->owed) chunk->size = 0;
    if (chunk && needed <= chunk_room - chunk->size) return next_payload()->bytes;
    if (chunk && !chunk->owed) PyMem_RawFree(chunk); /* any other goes with the last that is held of it */
    chunk = size > UINT32_MAX / 2 ? NULL : new_chunk(needed);
    return chunk ? next_payload()->bytes : (PyErr_NoMemory(), NULL);
}

/* RFC 6455 section 5.2: the length takes as few bytes as it can. */
uint8_t *put_header(uint8_t *at, size_t size) {
    *at++ = TEXT;
    if (size < 126) return *at++ = size, at;
    *at++ = size < 65536 ? 126 : 127;
    for (int bits = size < 65536 ? 8 : 56; bits >= 0; bits -= 8) *at++ = (uint64_t)size >> bits;
    return at;
}

/* A payload begins with {"type":" and the name of its kind. */
int channel_of(const uint8_t *bytes, size_t size) {
    char kind = size > 9 ? bytes[9] : 0;
    return kind == 'q' ? QUOTES : kind == 't' ? TRADES : kind == 'b' ? BARS : STATUS;
}

Payload *written(size_t size) {
    Payload *made = next_payload();
    made->at = (uint8_t *)made - (uint8_t *)chunk;
    made->size = size;
    made->channel = channel_of(made->bytes, size);
    made->header_size = header_size(size);
    put_header(made->bytes - made->header_size, size);
    chunk->size += room_of(size);
    chunk->owed++;
    return made;
}

static Chunk *chunk_of(Payload *payload) { return (Chunk *)((uint8_t *)payload - payload->at); }

void hold(Payload *payload, uint32_t times) { chunk_of(payload)->owed += times; }

static void let_times_go(Chunk *own, uint32_t times) {
    own->owed -= times;
    if (own->owed == 0 && own != chunk) PyMem_RawFree(own);
}

void let_go(Payload *payload) { let_times_go(chunk_of(payload), 1); }

static int is_in(const Chunk *own, const Payload *payload) {
    return (uintptr_t)payload - (uintptr_t)own < sizeof *own + own->size;
}

/* Nearly all are in one chunk, or two; looking only at where they are is cheaper than at each of them. */
void let_all_go(Payload **payloads, uint32_t count) {
    for (uint32_t i = 0, same; i < count; i += same) {
        Chunk *own = chunk_of(payloads[i]);
        for (same = 1; i + same < count && is_in(own, payloads[i + same]);) same++;
        let_times_go(own, same);
    }
}
