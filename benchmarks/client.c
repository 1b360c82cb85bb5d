/* The load client: N WebSocket connections in one thread, every tick counted, a share of the
 * connections checked tick by tick (seq, latency), and one JSON object on stdout at the end.
 *
 *   client --port P [--path /v1/stream] [--clients N] [--symbols N] [--per K] [--distinct D]
 *          [--wildcard 1] [--channels quotes] [--snapshot 1] [--seed S] [--check-every N]
 *          [--warm-s S] [--measure-s S] [--in-flight N] [--nap-us US] [--arrivals 1] [--pid SERVER]
 *
 * Connection i asks for K of the symbols S000..., drawn by a generator with a seed; with D > 0
 * there are only D different watchlists. Ticks count when their frame is whole. Latency is the
 * time of the read minus `ts_out`, both of CLOCK_REALTIME; with --nap-us, which lets more come for
 * each read so that the client can take more, that much is part of the latency at worst. With
 * --arrivals it tells too when the kernel had the bytes, which is no matter of how soon they are read. The server's CPU
 * seconds and RSS are read from /proc at both ends of the window, so that they are of exactly that window. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD = 1 << 21, READ = 1 << 18, STREAMS = 1 << 17, SUB = 32, BUCKETS = 64 * SUB };
enum state { CONNECTING, SHAKING, SUBSCRIBING, LIVE, GONE };
#define KEY "dGhlIHNhbXBsZSBub25jZQ==" /* the sample of RFC 6455, and its answer */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

typedef struct {
    char name[44]; /* its channel's first letter, then the symbol */
    int symbol;    /* the number in the name, or -1 */
    uint64_t newest, at_start;
} Stream;

typedef struct {
    int fd;
    enum state state;
    bool checked, fresh; /* fresh: nothing of this read was looked at yet */
    int *wish; /* symbol numbers, ascending; shared by all with the same watchlist */
    uint64_t ticks;
    uint8_t *carry; /* the frame that is not whole yet */
    size_t carried, room;
    uint64_t *last; /* of a checked connection: newest seq per stream, 0 before the first */
} Connection;

typedef struct {
    uint64_t counts[BUCKETS], most, all;
} Histogram;

static const char *host = "127.0.0.1", *path = "/v1/stream", *channels = "quotes";
static int port, clients = 200, symbols = 500, per = 20, distinct, wildcard, snapshot, pid;
static int check_every = 1, in_flight = 64, nap_us, arrivals;
static uint64_t seed = 7;
static double warm_s = 1, measure_s = 3, connect_limit_s = 60;

static Connection *connections;
static Stream *streams[STREAMS]; /* open addressing by hash of the name */
static Stream stream_pool[STREAMS];
static int stream_count, started, live, lost, poll_fd;
static uint8_t *buffer;
static bool measuring;
static uint64_t ticks, bytes, reads, checked_ticks, holes, duplicates, skipped, errors;
static Histogram as_read, as_arrived;
static uint64_t arrived_ns; /* the newest bytes of this read, as the kernel saw them; 0 where it did not say */
static char first_error[200], json[65536 * 4];

static void die(const char *what) {
    fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static uint64_t draw(void) { /* xorshift64* */
    seed ^= seed >> 12, seed ^= seed << 25, seed ^= seed >> 27;
    return seed * 2685821657736338717ull;
}

/* What the client asks for */

static int ascending(const void *one, const void *two) { return *(int *)one - *(int *)two; }

static int *draw_wish(void) {
    int *wish = malloc(per * sizeof(int)), *pool = malloc(symbols * sizeof(int));
    for (int i = 0; i < symbols; i++) pool[i] = i;
    for (int i = 0; i < per; i++) {
        int at = i + draw() % (symbols - i), picked = pool[at];
        pool[at] = pool[i], wish[i] = pool[i] = picked;
    }
    qsort(wish, per, sizeof(int), ascending);
    free(pool);
    return wish;
}

static void send_text(Connection *own, int opcode, const char *text, size_t size) {
    static uint8_t frame[sizeof json + 16];
    size_t at = 0;
    frame[at++] = 0x80 | opcode;
    if (size < 126) frame[at++] = 0x80 | size;
    else if (size < 65536) frame[at++] = 0xFE, frame[at++] = size >> 8, frame[at++] = size;
    else {
        frame[at++] = 0xFF;
        for (int shift = 56; shift >= 0; shift -= 8) frame[at++] = (uint64_t)size >> shift;
    }
    memset(frame + at, 0, 4); /* a mask of zeros changes nothing */
    memcpy(frame + at + 4, text, size);
    if (send(own->fd, frame, at + 4 + size, MSG_NOSIGNAL) != (ssize_t)(at + 4 + size)) errors++;
}

static void subscribe(Connection *own) {
    int width = snprintf(NULL, 0, "%d", symbols - 1), size;
    size = sprintf(json, "{\"type\":\"subscribe\",\"symbols\":[");
    if (wildcard) size += sprintf(json + size, "\"*\",");
    else
        for (int i = 0; i < per; i++)
            size += sprintf(json + size, "\"S%0*d\",", width < 3 ? 3 : width, own->wish[i]);
    size += sprintf(json + size - 1, "],\"channels\":[\"") - 1;
    for (const char *c = channels; *c; c++)
        size += sprintf(json + size, *c == ',' ? "\",\"" : "%c", *c);
    size += sprintf(json + size, "\"],\"snapshot\":%s}", snapshot ? "true" : "false");
    own->state = SUBSCRIBING;
    send_text(own, 1, json, size);
}

/* What comes back */

static Stream *stream_of(char channel, const uint8_t *symbol, size_t size, uint64_t seq) {
    uint64_t hash = 1469598103934665603ull ^ channel;
    for (size_t i = 0; i < size; i++) hash = (hash ^ symbol[i]) * 1099511628211ull;
    for (size_t at = (hash >> 32) % STREAMS;; at = (at + 1) % STREAMS) {
        Stream *found = streams[at];
        if (found && found->name[0] == channel && !memcmp(found->name + 1, symbol, size) &&
            !found->name[size + 1])
            return found;
        if (found) continue;
        if (stream_count > STREAMS / 2 || size > 40) exit(3);
        found = streams[at] = &stream_pool[stream_count++];
        found->name[0] = channel;
        memcpy(found->name + 1, symbol, size);
        found->symbol = symbol[0] == 'S' ? atoi(found->name + 2) : -1;
        found->newest = found->at_start = seq - 1;
        return found;
    }
}

static uint64_t number_after(const uint8_t *text, size_t size, const char *name, bool *found) {
    const uint8_t *at = memmem(text, size, name, strlen(name)), *end = text + size;
    uint64_t value = 0;
    *found &= at != NULL;
    if (at == NULL) return 0;
    for (at += strlen(name); at < end && *at >= '0' && *at <= '9'; at++) value = value * 10 + *at - '0';
    return value;
}

static void add_latency(Histogram *histogram, int64_t ns) {
    uint64_t value = ns < SUB ? SUB : ns;
    int shift = 63 - __builtin_clzll(value) - 5; /* 32 buckets per doubling: 3 % wide */
    histogram->counts[shift * SUB + (value >> shift) - SUB]++;
    histogram->all++;
    if (value > histogram->most) histogram->most = value;
}

static void check_seqs(Connection *own, Stream *stream, uint64_t first, uint64_t last, uint64_t *sum) {
    uint64_t *known = &own->last[stream - stream_pool];
    if (*known && first > *known + 1) holes += first - *known - 1;
    if (*known && first <= *known) duplicates++;
    else if (sum) *sum += last - first + 1;
    if (last > *known) *known = last;
}

/* Take one tick or `skipped` notice apart; the symbol comes early, ts_out last. */
static void examine(Connection *own, const uint8_t *text, size_t size, uint64_t read_ns) {
    const uint8_t *symbol = memmem(text, size, "\"symbol\":\"", 10), *end = text + size;
    if (symbol == NULL) return;
    symbol += 10;
    size_t length = (const uint8_t *)memchr(symbol, '"', end - symbol) - symbol;
    const uint8_t *rest = symbol + length;
    bool whole = true;
    if (text[9] == 's' && text[10] == 'k') {
        const uint8_t *channel = memmem(text, size, "\"channel\":\"", 11);
        uint64_t first = number_after(rest, end - rest, "\"first_seq\":", &whole);
        uint64_t last = number_after(rest, end - rest, "\"last_seq\":", &whole);
        if (own->checked && channel && whole)
            check_seqs(own, stream_of(channel[11], symbol, length, first), first, last, &skipped);
        return;
    }
    uint64_t seq = number_after(rest, end - rest, "\"seq\":", &whole);
    const uint8_t *tail = size > 40 ? end - 40 : text;
    uint64_t ts_out = number_after(tail, end - tail, "\"ts_out\":", &whole);
    if (!whole) {
        errors++;
        return;
    }
    Stream *stream = stream_of(text[9], symbol, length, seq);
    if (seq > stream->newest) stream->newest = seq;
    if (!own->checked) return;
    check_seqs(own, stream, seq, seq, NULL);
    if (!measuring) return;
    checked_ticks++;
    add_latency(&as_read, (int64_t)(read_ns - ts_out));
    if (arrived_ns) add_latency(&as_arrived, (int64_t)(arrived_ns - ts_out));
}

static size_t count_braces(const uint8_t *text, size_t size) { /* the compiler vectorises it */
    size_t count = 0;
    for (size_t i = 0; i < size; i++) count += text[i] == '{';
    return count;
}

static void take_batch(Connection *own, const uint8_t *text, size_t size, uint64_t read_ns) {
    const uint8_t *end = text + size, *next;
    own->ticks += count_braces(text, size);
    for (const uint8_t *at = text + 1; at < end && *at == '{'; at = next + 1) {
        next = memchr(at, '}', end - at);
        if (next == NULL) break;
        examine(own, at, ++next - at, read_ns);
        if (!own->checked) break; /* one tells how far the stream has come */
    }
}

static void take_control(Connection *own, const uint8_t *text, size_t size) {
    if (size > 21 && !memcmp(text + 9, "subscribed", 10) && own->state == SUBSCRIBING) {
        own->state = LIVE;
        live++;
    } else if (size > 14 && (!memcmp(text + 9, "error", 5) || !memcmp(text + 9, "closing", 7))) {
        if (!errors++) snprintf(first_error, sizeof first_error, "%.*s", (int)size, text);
    } else if (size > 17 && !memcmp(text + 9, "skipped", 7))
        examine(own, text, size, 0);
}

static inline bool is_tick(const uint8_t *text, size_t size) { /* of 8 bytes each: one compare */
    return size > 17 && (!memcmp(text + 9, "quote\",\"", 8) || !memcmp(text + 9, "trade\",\"", 8) ||
                         !memcmp(text + 9, "status\",", 8) || !memcmp(text + 9, "bar\",\"sy", 8));
}

static void take_message(Connection *own, const uint8_t *text, size_t size, uint64_t read_ns) {
    if (is_tick(text, size)) {
        /* of the unchecked, the first of a read and one in 32, in no rhythm, tell how far streams are */
        bool picked = own->fresh || (uint32_t)own->ticks * 2654435769u < 1u << 27;
        if (own->checked || picked) examine(own, text, size, read_ns);
        own->fresh = false;
        own->ticks++;
    } else if (text[0] == '[') take_batch(own, text, size, read_ns);
    else take_control(own, text, size);
}

static void lose(Connection *own) {
    if (own->state == GONE) return;
    if (own->state == LIVE) live--;
    own->state = GONE;
    lost++;
    close(own->fd);
}

/* Take every whole frame and give what is left; server frames are not masked. */
static const uint8_t *take_frames(Connection *own, const uint8_t *at, const uint8_t *end) {
    uint64_t read_ns = own->checked ? now_ns() : 0;
    while (end - at >= 2) {
        uint64_t size = at[1] & 127, head = 2;
        if (size == 126) head = 4, size = end - at < 4 ? HEAD : at[2] << 8 | at[3];
        else if (size == 127) {
            head = 10, size = 0;
            if (end - at < 10) break;
            for (int i = 2; i < 10; i++) size = size << 8 | at[i];
        }
        if ((uint64_t)(end - at) < head + size) break;
        int opcode = at[0] & 15;
        const uint8_t *text = at + head;
        if (opcode == 1 || opcode == 2) take_message(own, text, size, read_ns);
        else if (opcode == 9) send_text(own, 10, (const char *)text, size);
        else if (opcode == 8) {
            if (!errors++) snprintf(first_error, sizeof first_error, "closed: %.*s", (int)size - 2, text + 2);
        } else if (opcode != 10) errors++; /* no server here sends fragments */
        at = text + size;
    }
    return at;
}

static const uint8_t *take_handshake(Connection *own, const uint8_t *at, const uint8_t *end) {
    const uint8_t *stop = memmem(at, end - at, "\r\n\r\n", 4);
    if (stop == NULL) return at;
    if (memcmp(at, "HTTP/1.1 101", 12) || !memmem(at, stop - at, ACCEPT, 28)) {
        if (!errors++) snprintf(first_error, sizeof first_error, "%.60s", at);
        lose(own);
        return end;
    }
    subscribe(own);
    return take_frames(own, stop + 4, end);
}

/* Read what has come, and when the newest of it came; without --arrivals this is `recv`. */
static ssize_t receive(int fd) {
    if (!arrivals) return recv(fd, buffer + HEAD, READ, 0);
    union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(struct timespec))]; } control;
    struct iovec space = {buffer + HEAD, READ};
    struct msghdr message = {.msg_iov = &space, .msg_iovlen = 1,
                             .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t size = recvmsg(fd, &message, 0);
    struct cmsghdr *first = size > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    struct timespec came = {0};
    if (first && first->cmsg_type == SCM_TIMESTAMPNS) memcpy(&came, CMSG_DATA(first), sizeof came);
    arrived_ns = came.tv_sec * 1000000000ull + came.tv_nsec;
    return size;
}

static void on_readable(Connection *own) {
    uint8_t *begin = buffer + HEAD - own->carried;
    if (own->carried) memcpy(begin, own->carry, own->carried);
    ssize_t size = receive(own->fd);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) {
        lose(own);
        return;
    }
    bytes += size;
    reads++;
    own->fresh = true;
    const uint8_t *end = buffer + HEAD + size;
    const uint8_t *rest = own->state == SHAKING ? take_handshake(own, begin, end) : take_frames(own, begin, end);
    size_t left = end - rest;
    if (left > HEAD) exit(3);
    if (left > own->room) own->carry = realloc(own->carry, own->room = left);
    if (left) memcpy(own->carry, rest, left);
    own->carried = left;
}

static void open_connection(Connection *own) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &address.sin_addr);
    own->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (own->fd < 0) die("socket (raise ulimit -n)");
    setsockopt(own->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (arrivals) setsockopt(own->fd, SOL_SOCKET, SO_TIMESTAMPNS, &(int){1}, sizeof(int));
    if (connect(own->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) die("connect");
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = own};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, own->fd, &event);
    own->state = CONNECTING;
}

static void on_connected(Connection *own) {
    static char request[512];
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n\r\n", path, host, port);
    own->state = SHAKING;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = own};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, own->fd, &event);
    if (send(own->fd, request, size, MSG_NOSIGNAL) != size) lose(own);
}

/* One turn; gives how long the work of it took. */
static double turn(int wait_ms) {
    static struct epoll_event events[1024];
    while (started < clients && started - live - lost < in_flight) open_connection(&connections[started++]);
    int count = epoll_wait(poll_fd, events, 1024, wait_ms);
    double began_s = seconds(CLOCK_MONOTONIC);
    for (int i = 0; i < count; i++) {
        Connection *own = events[i].data.ptr;
        if (own->state == GONE) continue;
        if (own->state == CONNECTING) {
            if (events[i].events & (EPOLLERR | EPOLLHUP)) lose(own);
            else on_connected(own);
        } else on_readable(own);
    }
    return seconds(CLOCK_MONOTONIC) - began_s;
}

/* The two ends of the window */

typedef struct {
    double at_s, own_cpu_s, own_waited_s, server_cpu_s, server_waited_s;
    long server_rss_kib;
} Reading;

static double field(const char *file, int skip, bool after_paren) {
    char name[64], text[1024] = "";
    snprintf(name, sizeof name, "/proc/%s", file);
    FILE *proc = fopen(name, "r");
    if (proc == NULL) return 0;
    text[fread(text, 1, sizeof text - 1, proc)] = 0;
    fclose(proc);
    char *at = after_paren ? strrchr(text, ')') : text; /* the command's name may hold blanks */
    for (; at && skip; skip--) at = strchr(at + 1, ' ');
    return at ? atof(at) : 0;
}

static Reading take_reading(void) {
    char stat[32], schedstat[32], statm[32];
    sprintf(stat, "%d/stat", pid), sprintf(schedstat, "%d/schedstat", pid), sprintf(statm, "%d/statm", pid);
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    return (Reading){
        .at_s = seconds(CLOCK_MONOTONIC),
        .own_cpu_s = own.ru_utime.tv_sec + own.ru_stime.tv_sec + (own.ru_utime.tv_usec + own.ru_stime.tv_usec) * 1e-6,
        .own_waited_s = field("self/schedstat", 1, false) * 1e-9,
        .server_cpu_s = (field(stat, 12, true) + field(stat, 13, true)) / sysconf(_SC_CLK_TCK),
        .server_waited_s = field(schedstat, 1, false) * 1e-9,
        .server_rss_kib = (long)field(statm, 1, false) * (sysconf(_SC_PAGESIZE) / 1024),
    };
}

static void begin_window(void) {
    for (int i = 0; i < clients; i++) connections[i].ticks = 0;
    for (int i = 0; i < stream_count; i++) stream_pool[i].at_start = stream_pool[i].newest;
    bytes = reads = checked_ticks = holes = duplicates = skipped = 0;
    measuring = true;
}

static double bucket_us(int i) { /* its middle; the inverse of add_latency */
    return ((uint64_t)(i % SUB + SUB) << i / SUB) * (1 + 0.5 / SUB) * 1e-3;
}

static double percentile_us(const Histogram *histogram, double share) {
    uint64_t wanted = (uint64_t)(histogram->all * share), seen = 0;
    for (int i = 0; i < BUCKETS; i++)
        if ((seen += histogram->counts[i]) > wanted) return bucket_us(i);
    return histogram->most * 1e-3;
}

/* How many ticks the connections should have got, from how far each stream's seq has come. */
static void expect(uint64_t *published, uint64_t *expected) {
    uint64_t *moved = calloc(symbols, sizeof *moved);
    *published = *expected = 0;
    for (int i = 0; i < stream_count; i++) {
        uint64_t span = stream_pool[i].newest - stream_pool[i].at_start;
        int symbol = stream_pool[i].symbol;
        *published += span;
        if (symbol >= 0 && symbol < symbols) moved[symbol] += span;
    }
    for (int c = 0; c < clients; c++)
        for (int i = 0; !wildcard && i < per; i++) *expected += moved[connections[c].wish[i]];
    if (wildcard) *expected = *published * clients;
    free(moved);
}

static void report(Reading from, Reading to, double connect_s, double slow_s, double worst_s) {
    double window_s = to.at_s - from.at_s, cpu = (to.own_cpu_s - from.own_cpu_s) / window_s;
    uint64_t published, expected;
    for (int i = 0; i < clients; i++) ticks += connections[i].ticks;
    expect(&published, &expected);
    double cpu_s = to.server_cpu_s - from.server_cpu_s;
    printf("{\"clients\":%d,\"live\":%d,\"lost\":%d,\"connect_s\":%.4f,\"window_s\":%.4f,\"ticks\":%lu,"
           "\"ticks_per_s\":%.1f,\"published_per_s\":%.1f,\"delivered_share\":%.5f,\"streams\":%d,",
           clients, live, lost, connect_s, window_s, ticks, ticks / window_s, published / window_s,
           expected ? (double)ticks / expected : 0.0, stream_count);
    printf("\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,\"checked_ticks\":%lu,"
           "\"holes\":%lu,\"skipped\":%lu,\"duplicates\":%lu,\"errors\":%lu,\"bytes\":%lu,\"reads\":%lu,",
           percentile_us(&as_read, .5), percentile_us(&as_read, .99), percentile_us(&as_read, .999),
           as_read.most * 1e-3, checked_ticks, holes, skipped, duplicates, errors, bytes, reads);
    if (as_arrived.all)
        printf("\"arrived_p50_us\":%.1f,\"arrived_p99_us\":%.1f,",
               percentile_us(&as_arrived, .5), percentile_us(&as_arrived, .99));
    printf("\"client_cpu\":%.4f,\"client_waited\":%.4f,\"worst_turn_ms\":%.2f,\"saturated\":%s,"
           "\"server_cpu_s\":%.3f,\"server_cpu\":%.4f,\"server_waited\":%.4f,\"cpu_us_per_tick\":%.5f,",
           cpu, (to.own_waited_s - from.own_waited_s) / window_s, worst_s * 1e3,
           cpu > .9 || slow_s > .1 * window_s ? "true" : "false", cpu_s, cpu_s / window_s,
           (to.server_waited_s - from.server_waited_s) / window_s, ticks ? cpu_s * 1e6 / ticks : 0.0);
    for (char *c = first_error; *c; c++)
        if (*c == '"' || *c == '\\' || *c < ' ') *c = '\'';
    printf("\"first_error\":\"%s\",\"latency_us\":[", first_error);
    const char *comma = "";
    for (int i = 0; i < BUCKETS; i++)
        if (as_read.counts[i]) printf("%s[%.1f,%lu]", comma, bucket_us(i), as_read.counts[i]), comma = ",";
    printf("]");
}

static void read_options(int count, char **words) {
    struct { const char *name; char kind; void *into; } known[] = {
        {"--port", 'i', &port}, {"--path", 's', &path}, {"--clients", 'i', &clients},
        {"--symbols", 'i', &symbols}, {"--per", 'i', &per}, {"--distinct", 'i', &distinct},
        {"--wildcard", 'i', &wildcard}, {"--channels", 's', &channels}, {"--snapshot", 'i', &snapshot},
        {"--seed", 'u', &seed}, {"--check-every", 'i', &check_every}, {"--warm-s", 'd', &warm_s},
        {"--measure-s", 'd', &measure_s}, {"--in-flight", 'i', &in_flight}, {"--nap-us", 'i', &nap_us},
        {"--arrivals", 'i', &arrivals}, {"--pid", 'i', &pid},
    };
    for (int i = 1; i + 1 < count; i += 2) {
        size_t k = 0, all = sizeof known / sizeof *known;
        while (k < all && strcmp(words[i], known[k].name)) k++;
        if (k == all) fprintf(stderr, "client: unknown option %s\n", words[i]), exit(2);
        if (known[k].kind == 'i') *(int *)known[k].into = atoi(words[i + 1]);
        if (known[k].kind == 'u') *(uint64_t *)known[k].into = strtoull(words[i + 1], NULL, 10) | 1;
        if (known[k].kind == 'd') *(double *)known[k].into = atof(words[i + 1]);
        if (known[k].kind == 's') *(char **)known[k].into = words[i + 1];
    }
}

static void prepare(void) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    poll_fd = epoll_create1(0);
    buffer = malloc(HEAD + READ);
    connections = calloc(clients, sizeof *connections);
    for (int i = 0; i < clients; i++) {
        Connection *own = &connections[i];
        own->wish = distinct && i >= distinct ? connections[i % distinct].wish : draw_wish();
        own->checked = i % check_every == 0;
        if (own->checked) own->last = calloc(STREAMS / 2 + 1, sizeof(uint64_t));
    }
}

int main(int count, char **words) {
    read_options(count, words);
    prepare();
    Reading empty = take_reading();
    double limit_s = empty.at_s + connect_limit_s;
    while (live + lost < clients && seconds(CLOCK_MONOTONIC) < limit_s) turn(100);
    double connect_s = seconds(CLOCK_MONOTONIC) - empty.at_s;
    for (double end_s = seconds(CLOCK_MONOTONIC) + warm_s; seconds(CLOCK_MONOTONIC) < end_s;) {
        if (nap_us) usleep(nap_us);
        turn(10);
    }
    begin_window();
    Reading from = take_reading();
    double slow_s = 0, worst_s = 0; /* turns so long that they add to the latency measured */
    while (seconds(CLOCK_MONOTONIC) < from.at_s + measure_s) {
        if (nap_us) usleep(nap_us);
        double took_s = turn(10);
        if (took_s > .02) slow_s += took_s;
        if (took_s > worst_s) worst_s = took_s;
    }
    Reading to = take_reading();
    report(from, to, connect_s, slow_s, worst_s);
    printf(",\"rss_kib_before\":%ld,\"rss_kib\":%ld}\n", empty.server_rss_kib, to.server_rss_kib);
    return 0;
}
