/* yaz_codec: what libyaz takes to decode and to encode ILL APDUs, for benchmarks/codec_comparison.py.
 *
 * Standard input is a row of messages, each a length of four octets (big-endian) and that many octets of BER. The argument says how
 * often to go through them. One line is written, CPU time in nanoseconds for one message:
 *
 *     {"decode": 4211.0, "encode": 3907.5, "messages": 32}
 *
 * The memory of a value is freed as libyaz means it to be, with odr_reset after each message, and that is in the time. Exit status 1:
 * libyaz does not read a message. 2: the input is cut short, or memory runs out.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <yaz/ill.h>
#include <yaz/odr.h>

struct message {
    char *octets;
    int length;
    ILL_APDU *apdu;
};

static double now(void)
{
    struct timespec spent;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return (double) spent.tv_sec * 1e9 + (double) spent.tv_nsec;
}

/* Give the APDU in the octets of a message, or end the program. Its memory is the decoder's until the next odr_reset. */
static ILL_APDU *decode(ODR decoder, const struct message *message)
{
    ILL_APDU *apdu = 0;
    odr_setbuf(decoder, message->octets, message->length, 0);
    if (!ill_APDU(decoder, &apdu, 0, 0)) {
        fputs("yaz_codec: libyaz does not read a message\n", stderr);
        exit(1);
    }
    return apdu;
}

/* Read all messages into memory that the caller keeps; give how many there are. */
static size_t read_messages(struct message **messages)
{
    unsigned char head[4];
    size_t count = 0;
    size_t got;
    *messages = 0;
    while ((got = fread(head, 1, sizeof head, stdin)) == sizeof head) {
        uint32_t length = (uint32_t) head[0] << 24 | (uint32_t) head[1] << 16 | (uint32_t) head[2] << 8 | head[3];
        struct message *more = realloc(*messages, (count + 1) * sizeof **messages);
        if (!more || length > INT32_MAX)
            exit(2);
        *messages = more;
        more[count] = (struct message) { malloc(length), (int) length, 0 };
        if (!more[count].octets || fread(more[count].octets, 1, length, stdin) != length)
            exit(2);
        count++;
    }
    if (got || !count)
        exit(2);
    return count;
}

int main(int argc, char **argv)
{
    int passes = argc == 2 ? atoi(argv[1]) : 0;
    if (passes < 1) {
        fputs("usage: yaz_codec PASSES < messages\n", stderr);
        return 2;
    }
    struct message *messages;
    size_t count = read_messages(&messages);
    ODR decoder = odr_createmem(ODR_DECODE);
    ODR keeper = odr_createmem(ODR_DECODE);
    ODR encoder = odr_createmem(ODR_ENCODE);
    if (!decoder || !keeper || !encoder)
        return 2;

    double begin = now();
    for (int pass = 0; pass < passes; pass++)
        for (size_t i = 0; i < count; i++) {
            decode(decoder, &messages[i]);
            odr_reset(decoder);
        }
    double decoding = now() - begin;

    for (size_t i = 0; i < count; i++)
        messages[i].apdu = decode(keeper, &messages[i]);
    begin = now();
    for (int pass = 0; pass < passes; pass++)
        for (size_t i = 0; i < count; i++) {
            if (!ill_APDU(encoder, &messages[i].apdu, 0, 0)) {
                fputs("yaz_codec: libyaz does not write a message\n", stderr);
                return 1;
            }
            odr_reset(encoder);
        }
    double encoding = now() - begin;

    double total = (double) passes * (double) count;
    printf("{\"decode\": %.1f, \"encode\": %.1f, \"messages\": %zu}\n", decoding / total, encoding / total, count);
    odr_destroy(decoder);
    odr_destroy(keeper);
    odr_destroy(encoder);
    return 0;
}
