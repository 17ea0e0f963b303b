/*
 * floor FRAMES EVERY_MS: the least that one host can do for many WebSocket viewers with ordinary calls. One thread, one
 * epoll; every EVERY_MS ms one send(2) of a ready frame to each viewer, between a `+` and a `-` on stdin. FRAMES holds
 * the payloads, sent in turn, as cases.ts writes them. The port, any that is free on 127.0.0.1, is printed. It ends when
 * stdin does.
 *
 * A viewer whose socket does not take a whole frame gets the rest as soon as it can, and misses pushes until then.
 * What viewers send is thrown away, but a close frame is answered by closing.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { REQUEST_MOST = 4096, EVENTS = 1024, BACKLOG = 4096 };

/* A frame of a server, header and payload. */
struct frame {
  uint8_t *bytes;
  size_t length;
};

struct viewer {
  int socket;
  /* Place in `viewers` once the handshake is done, else -1. */
  int place;
  /* The handshake so far; NULL after it. */
  char *request;
  size_t request_length;
  /* What is left of a frame that the socket did not take whole; NULL for nothing. */
  const uint8_t *rest;
  size_t rest_length;
};

static struct frame *frames;
static size_t frame_count, next_frame;
static struct viewer **viewers;
static int viewer_count, viewer_room;
static int poller;
/* What stands in epoll's data for the three descriptors that are no viewer's. */
static char listener_mark, timer_mark, parent_mark;

static void fail(const char *what) {
  fprintf(stderr, "Error: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void *take(void *memory) {
  if (memory == NULL) fail("memory");
  return memory;
}

/* SHA-1 of a text shorter than 120 bytes, for Sec-WebSocket-Accept. */
static void sha1(const char *text, uint8_t digest[20]) {
  uint8_t data[128] = {0};
  size_t length = strlen(text), size = length + 9 <= 64 ? 64 : 128;
  memcpy(data, text, length);
  data[length] = 0x80;
  data[size - 2] = (uint8_t)(length * 8 >> 8);
  data[size - 1] = (uint8_t)(length * 8);
  uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
#define ROTATE(value, by) ((value) << (by) | (value) >> (32 - (by)))
  for (size_t block = 0; block < size; block += 64) {
    uint32_t word[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < 16; i++) {
      const uint8_t *at = data + block + 4 * i;
      word[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    }
    for (int i = 16; i < 80; i++) word[i] = ROTATE(word[i - 3] ^ word[i - 8] ^ word[i - 14] ^ word[i - 16], 1);
    for (int i = 0; i < 80; i++) {
      uint32_t mix = i < 20 ? ((b & c) | (~b & d)) + 0x5a827999
                   : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                   : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                            : (b ^ c ^ d) + 0xca62c1d6;
      uint32_t turned = ROTATE(a, 5) + mix + e + word[i];
      e = d, d = c, c = ROTATE(b, 30), b = a, a = turned;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
  }
  for (int i = 0; i < 20; i++) digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

/* Base 64 of a digest: 27 characters and one '='. */
static void base64(const uint8_t digest[20], char text[29]) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char *to = text;
  for (int i = 0; i < 20; i += 3) {
    uint32_t three = (uint32_t)digest[i] << 16 | (uint32_t)digest[i + 1] << 8 | (i + 2 < 20 ? digest[i + 2] : 0);
    for (int shift = 18; shift >= 0; shift -= 6) *to++ = letters[three >> shift & 63];
  }
  text[27] = '=';
  text[28] = 0;
}

static void read_frames(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail(path);
  uint8_t head[4];
  while (fread(head, 1, 4, file) == 4) {
    uint64_t length = (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
    int header = length < 126 ? 2 : length < 65536 ? 4 : 10;
    uint8_t *bytes = take(malloc(header + length));
    bytes[0] = 0x82;
    bytes[1] = length < 126 ? length : header == 4 ? 126 : 127;
    for (int i = 2; i < header; i++) bytes[i] = (uint8_t)(length >> 8 * (header - 1 - i));
    if (fread(bytes + header, 1, length, file) != length) fail("the file of frames is cut off");
    frames = take(realloc(frames, (frame_count + 1) * sizeof *frames));
    frames[frame_count++] = (struct frame){bytes, header + length};
  }
  fclose(file);
  if (frame_count == 0) fail("no frames");
}

static void watch(int operation, int descriptor, uint32_t events, void *data) {
  struct epoll_event event = {.events = events, .data.ptr = data};
  if (epoll_ctl(poller, operation, descriptor, &event) < 0) fail("epoll_ctl");
}

static void drop(struct viewer *viewer) {
  if (viewer->place >= 0) {
    struct viewer *last = viewers[--viewer_count];
    viewers[viewer->place] = last;
    last->place = viewer->place;
  }
  close(viewer->socket);
  free(viewer->request);
  free(viewer);
}

static void accept_viewers(int listener) {
  int socket, on = 1;
  while ((socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    if (setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) fail("TCP_NODELAY");
    struct viewer *viewer = take(calloc(1, sizeof *viewer));
    viewer->socket = socket;
    viewer->place = -1;
    viewer->request = take(malloc(REQUEST_MOST));
    watch(EPOLL_CTL_ADD, socket, EPOLLIN, viewer);
  }
  if (errno != EAGAIN && errno != ECONNABORTED) fail("accept");
}

/* Answers a whole request. False when it is no WebSocket handshake. */
static int answer(struct viewer *viewer) {
  static const char name[] = "\r\nSec-WebSocket-Key:";
  char *key = strcasestr(viewer->request, name);
  if (key == NULL) return 0;
  key += sizeof name - 1;
  key += strspn(key, " \t");
  size_t length = strcspn(key, " \t\r\n");
  if (length != 24) return 0;
  char text[64], accept[29], reply[256];
  uint8_t digest[20];
  snprintf(text, sizeof text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
  sha1(text, digest);
  base64(digest, accept);
  int size = snprintf(reply, sizeof reply,
                      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Accept: %s\r\n\r\n",
                      accept);
  if (send(viewer->socket, reply, size, MSG_NOSIGNAL) != size) return 0;
  free(viewer->request);
  viewer->request = NULL;
  if (viewer_count == viewer_room) {
    viewer_room = viewer_room == 0 ? 1024 : 2 * viewer_room;
    viewers = take(realloc(viewers, viewer_room * sizeof *viewers));
  }
  viewer->place = viewer_count;
  viewers[viewer_count++] = viewer;
  return 1;
}

/* Takes what a viewer sent. False when the connection is to be dropped. */
static int hear(struct viewer *viewer) {
  if (viewer->request == NULL) {
    uint8_t heard[4096];
    ssize_t length = recv(viewer->socket, heard, sizeof heard, 0);
    if (length < 0) return errno == EAGAIN;
    return length > 0 && (heard[0] & 0x0f) != 8;
  }
  size_t room = REQUEST_MOST - 1 - viewer->request_length;
  ssize_t length = recv(viewer->socket, viewer->request + viewer->request_length, room, 0);
  if (length < 0) return errno == EAGAIN;
  if (length == 0) return 0;
  viewer->request_length += length;
  viewer->request[viewer->request_length] = 0;
  if (strstr(viewer->request, "\r\n\r\n") != NULL) return answer(viewer);
  return viewer->request_length < REQUEST_MOST - 1;
}

/* Sends what is left of a frame. False when the connection is to be dropped. */
static int send_rest(struct viewer *viewer) {
  ssize_t sent = send(viewer->socket, viewer->rest, viewer->rest_length, MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN;
  viewer->rest += sent;
  viewer->rest_length -= sent;
  if (viewer->rest_length > 0) return 1;
  viewer->rest = NULL;
  watch(EPOLL_CTL_MOD, viewer->socket, EPOLLIN, viewer);
  return 1;
}

static void push(void) {
  struct frame frame = frames[next_frame];
  next_frame = (next_frame + 1) % frame_count;
  for (int i = 0; i < viewer_count; i++) {
    struct viewer *viewer = viewers[i];
    if (viewer->rest != NULL) continue;
    ssize_t sent = send(viewer->socket, frame.bytes, frame.length, MSG_NOSIGNAL);
    if (sent == (ssize_t)frame.length || sent <= 0) continue; /* A connection that is gone is heard of as input. */
    viewer->rest = frame.bytes + sent;
    viewer->rest_length = frame.length - sent;
    watch(EPOLL_CTL_MOD, viewer->socket, EPOLLIN | EPOLLOUT, viewer);
  }
}

static int listen_anywhere(void) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, BACKLOG) < 0 ||
      getsockname(listener, (struct sockaddr *)&address, &size) < 0)
    fail("listen");
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

/* The first push is made at once; 0 ms stops the timer. */
static void set_timer(int timer, int ms) {
  struct timespec span = {ms / 1000, ms % 1000 * 1000000L};
  if (timerfd_settime(timer, 0, &(struct itimerspec){span, {0, ms > 0}}, NULL) < 0) fail("timer");
}

int main(int count, char **words) {
  if (count != 3 || atoi(words[2]) < 1) {
    fprintf(stderr, "Error: usage: floor FRAMES EVERY_MS\n");
    return 1;
  }
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) < 0) fail("getrlimit");
  files.rlim_cur = files.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &files) < 0) fail("setrlimit");
  read_frames(words[1]);
  poller = epoll_create1(0);
  if (poller < 0) fail("epoll");
  int every = atoi(words[2]), listener = listen_anywhere();
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  if (timer < 0) fail("timer");
  watch(EPOLL_CTL_ADD, listener, EPOLLIN, &listener_mark);
  watch(EPOLL_CTL_ADD, timer, EPOLLIN, &timer_mark);
  watch(EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, &parent_mark);
  for (;;) {
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(poller, events, EVENTS, -1);
    if (ready < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < ready; i++) {
      void *data = events[i].data.ptr;
      if (data == &parent_mark) {
        char orders[64];
        ssize_t length = read(STDIN_FILENO, orders, sizeof orders);
        if (length <= 0) return 0;
        set_timer(timer, orders[length - 1] == '+' ? every : 0);
        continue;
      }
      if (data == &listener_mark) {
        accept_viewers(listener);
      } else if (data == &timer_mark) {
        uint64_t expired;
        /* Ticks that were missed are not made up for. */
        if (read(timer, &expired, sizeof expired) == sizeof expired) push();
      } else {
        struct viewer *viewer = data;
        int keep = 1;
        if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) keep = hear(viewer);
        if (keep && viewer->rest != NULL && events[i].events & EPOLLOUT) keep = send_rest(viewer);
        if (!keep) drop(viewer);
      }
    }
  }
}
