/* The floor: what this job costs when nothing but the job is done. One thread, epoll, C.
 *
 *   floor PORT SYMBOLS RATE [FLUSH_MS]
 *
 * A tick is formatted once. It is copied once into the buffer of each distinct watchlist that has
 * its symbol, and at the flush each client gets its watchlist's buffer in one send. There is no
 * session: no heartbeat, no snapshot, no account of what was missed. A client whose socket is full
 * loses whole bursts. It answers only the benchmark's own client, whose handshake key is fixed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { BURST = 4000, CLIENTS = 16384, SYMBOLS = 1 << 17 };
#define ACCEPTED \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
#define ACK "{\"type\":\"subscribed\",\"subscriptions\":{}}"

typedef struct Client Client;

typedef struct { /* a watchlist: who has it, and what its clients get at the flush */
    char *text;
    Client **members;
    uint8_t *pending;
    size_t count, room, size, capacity;
} Set;

struct Client {
    int fd, shaken;
    uint8_t *rest; /* of a frame that was sent in part */
    size_t rest_size;
    uint8_t command[65536 * 4];
    size_t got;
};

static Set *sets[CLIENTS], **takers[SYMBOLS], *dirty[CLIENTS];
static int set_count, taker_count[SYMBOLS], dirty_count, symbols, width, poll_fd;
static uint64_t seqs[SYMBOLS];

static uint64_t now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static uint8_t *put(uint8_t *at, const char *text) {
    size_t size = strlen(text);
    memcpy(at, text, size);
    return at + size;
}

static uint8_t *put_number(uint8_t *at, uint64_t value, int least) {
    uint8_t digits[20];
    int count = 0;
    do digits[count++] = '0' + value % 10;
    while ((value /= 10) || count < least);
    while (count) *at++ = digits[--count];
    return at;
}

/* Write one quote as a ready frame; its payload has 126 to 65,535 bytes. */
static size_t frame_quote(uint8_t *frame, int symbol, uint64_t ts_out) {
    uint8_t *at = put_number(put(frame + 4, "{\"type\":\"quote\",\"symbol\":\"S"), symbol, width);
    uint64_t cents = 10000 + symbol + seqs[symbol] % 50;
    at = put_number(put(at, "\",\"seq\":"), ++seqs[symbol], 1);
    at = put_number(put(at, ",\"ts_event\":"), ts_out, 1);
    at = put_number(put(at, ",\"bid\":"), cents / 100, 1);
    at = put_number(put(at, "."), cents % 100, 2);
    at = put_number(put(at, ",\"bid_size\":300,\"ask\":"), (cents + 2) / 100, 1);
    at = put_number(put(at, "."), (cents + 2) % 100, 2);
    at = put(put_number(put(at, ",\"ask_size\":500,\"ts_out\":"), ts_out, 1), "}");
    size_t size = at - frame - 4;
    frame[0] = 0x81, frame[1] = 126, frame[2] = size >> 8, frame[3] = size;
    return size + 4;
}

static void owe(int symbol, const uint8_t *frame, size_t size) {
    for (int i = 0; i < taker_count[symbol]; i++) {
        Set *set = takers[symbol][i];
        if (set->size + size > set->capacity) set->pending = realloc(set->pending, set->capacity = 2 * set->capacity + 65536);
        if (!set->size) dirty[dirty_count++] = set;
        memcpy(set->pending + set->size, frame, size);
        set->size += size;
    }
}

static void keep(Client *own, const uint8_t *rest, size_t size) {
    own->rest = realloc(own->rest, size);
    memmove(own->rest, rest, size);
    own->rest_size = size;
}

static int send_rest(Client *own) { /* true when nothing is left of it */
    if (!own->rest_size) return 1;
    ssize_t sent = send(own->fd, own->rest, own->rest_size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
        own->rest_size -= sent;
        memmove(own->rest, own->rest + sent, own->rest_size);
    }
    return !own->rest_size;
}

static void flush(void) {
    for (int i = 0; i < dirty_count; i++) {
        Set *set = dirty[i];
        for (size_t m = 0; m < set->count; m++) {
            if (!send_rest(set->members[m])) continue;
            ssize_t sent = send(set->members[m]->fd, set->pending, set->size, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent > 0 && (size_t)sent < set->size) keep(set->members[m], set->pending + sent, set->size - sent);
        }
        set->size = 0;
    }
    dirty_count = 0;
}

static void tick(int count) {
    static uint64_t made;
    uint8_t frame[256];
    uint64_t ts_out = now_ns(CLOCK_REALTIME);
    for (int i = 0; i < count; i++) {
        int symbol = made++ * 2654435761u % symbols;
        owe(symbol, frame, frame_quote(frame, symbol, ts_out));
    }
}

static void take(int symbol, Set *set) {
    takers[symbol] = realloc(takers[symbol], (taker_count[symbol] + 1) * sizeof(Set *));
    takers[symbol][taker_count[symbol]++] = set;
}

/* Join the watchlist of this very text; the client writes equal ones alike. */
static void subscribe(Client *own, char *text) {
    Set *set = NULL;
    for (int i = set_count - 1; i >= 0 && !set; i--)
        if (!strcmp(sets[i]->text, text)) set = sets[i];
    if (set == NULL) {
        set = sets[set_count++] = calloc(1, sizeof *set);
        set->text = strdup(text);
        char *end = strchr(text, ']');
        if (strstr(text, "[\"*\"")) for (int i = 0; i < symbols; i++) take(i, set);
        for (char *at = text; end && (at = strstr(at, "\"S")) && at < end; at += 2) take(atoi(at + 2), set);
    }
    if (set->count == set->room) set->members = realloc(set->members, (set->room = 2 * set->room + 1) * sizeof(Client *));
    set->members[set->count++] = own;
    uint8_t ack[64] = {0x81, sizeof ACK - 1};
    memcpy(ack + 2, ACK, sizeof ACK - 1);
    send(own->fd, ack, sizeof ACK + 1, MSG_NOSIGNAL);
}

static void on_command(Client *own) {
    uint8_t *at = own->command;
    size_t head = 6, size = at[1] & 127;
    if (size == 126) head = 8, size = at[2] << 8 | at[3];
    if (size == 127) head = 14, size = (size_t)at[6] << 24 | at[7] << 16 | at[8] << 8 | at[9];
    if (own->got < head + size) return;
    for (size_t i = 0; i < size; i++) at[head + i] ^= at[head - 4 + i % 4];
    at[head + size] = 0;
    if ((at[0] & 15) == 1) subscribe(own, (char *)at + head);
    own->got = 0;
}

static void on_readable(Client *own) {
    ssize_t size = recv(own->fd, own->command + own->got, sizeof own->command - 1 - own->got, 0);
    if (size <= 0) {
        close(own->fd);
        own->fd = -1; /* it stays a member, and sends to it fail */
        return;
    }
    own->got += size;
    own->command[own->got] = 0;
    if (own->shaken && own->got >= 6) on_command(own);
    else if (!own->shaken && strstr((char *)own->command, "\r\n\r\n")) {
        send(own->fd, ACCEPTED, sizeof ACCEPTED - 1, MSG_NOSIGNAL);
        own->shaken = 1, own->got = 0;
    }
}

static void watch(int fd, void *what) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 1024)) perror("floor"), exit(1);
    return fd;
}

static void on_connections(int listener) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        Client *own = calloc(1, sizeof *own);
        own->fd = fd;
        watch(fd, own);
    }
}

static int start_timer(void) { /* a turn per millisecond */
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec every = {{0, 1000000}, {0, 1000000}};
    timerfd_settime(fd, 0, &every, NULL);
    return fd;
}

int main(int count, char **words) {
    if (count < 4) return 2;
    double rate = atof(words[3]), flush_ms = count > 4 ? atof(words[4]) : 0;
    symbols = atoi(words[2]);
    width = snprintf(NULL, 0, "%d", symbols - 1) < 3 ? 3 : snprintf(NULL, 0, "%d", symbols - 1);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    poll_fd = epoll_create1(0);
    int listener = listen_on(atoi(words[1])), timer = start_timer();
    static struct epoll_event events[256];
    watch(listener, &listener), watch(timer, &timer);
    uint64_t started = now_ns(CLOCK_MONOTONIC), flushed = started, made = 0, expired;
    for (double due = 0;;) {
        int ready = epoll_wait(poll_fd, events, 256, due - made > BURST ? 0 : -1); /* behind: no rest */
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == &listener) on_connections(listener);
            else if (events[i].data.ptr == &timer) (void)!read(timer, &expired, sizeof expired);
            else on_readable(events[i].data.ptr);
        }
        uint64_t now = now_ns(CLOCK_MONOTONIC);
        due = (now - started) * 1e-9 * rate;
        int burst = due - made > BURST ? BURST : (int)(due - made);
        tick(burst);
        made += burst;
        if ((now - flushed) * 1e-6 >= flush_ms) flush(), flushed = now;
    }
}
