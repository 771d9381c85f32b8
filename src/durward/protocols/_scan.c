/* One walk over the JSON of a request body (RFC 8259): is it well-formed, where do its top-level members stand, and does it hold no
 * more than its shape describes? `scanning.py` says what a shape is, and is the only caller.
 *
 *     scan(body, nodes, words) -> None | (names, places, outline)
 *
 * `names` are the top-level members' names; of each, `places` has where its value starts and where it ends. `outline` is the body with
 * `null` in place of each member that the shape names, or None where anything is not as the shape describes, or is not written plainly.
 *
 * None stands for every body that needs another reading: what is no JSON object in strict UTF-8 with paired surrogates, and also a
 * repeated or escaped top-level name, more than MEMBERS members, or more than DEPTH arrays and objects inside each other. So no error is
 * told from here. What is accepted here must never be more than what msgspec accepts: its decoder reads the rest, and is the oracle of
 * the tests.
 *
 * Nothing is read at `end` or behind it, nor outside of `nodes` and `words`, whatever they hold. The walk recurses along the shape alone,
 * and there only to nodes of a lower number. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define DEPTH 64
#define MEMBERS 64 /* of the body itself */

typedef const unsigned char *Place;
/* A string between its quotes. */
typedef struct { Place text; Py_ssize_t length; int escaped; } Text;

enum { STRING = 1, NIL = 2, ARRAY = 4, OBJECT = 8, SCALAR = 16 };

/* What a value may be. `element` and `others` number the nodes of an array's elements and of members that are not named; a number that is
 * no node's allows anything. `count` words from `first` are an object's names; where no object is allowed, the only strings that are.
 * `one_of` has the bits of those (first eight) names of which one must be there; 0 asks for none. */
typedef struct { uint8_t allows, element, others, one_of, first, count; } Node;
typedef struct { uint8_t value, length, text[30]; } Word;

typedef struct {
    Place end;
    const Node *nodes;
    const Word *words;
    Py_ssize_t node_count, word_count;
    int fits; /* whether everything so far is as the shape describes */
} Walk;

/* ---- Behind a piece of JSON: each takes where it starts, and returns NULL where it is not well-formed. ---- */

static inline Place over_space(Place p, Place end) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

static inline int follows(unsigned char byte) { return (byte & 0xC0) == 0x80; }

/* A character of two to four bytes; overlong forms and surrogates are none (RFC 3629). */
static inline Place over_character(Place p, Place end) {
    unsigned char first = *p;
    if (first < 0xE0)
        return first >= 0xC2 && end - p > 1 && follows(p[1]) ? p + 2 : NULL;
    if (end - p < 4 || !follows(p[1]) || !follows(p[2])) /* four, because a string does not end with the body */
        return NULL;
    if (first < 0xF0)
        return (first != 0xE0 || p[1] >= 0xA0) && (first != 0xED || p[1] < 0xA0) ? p + 3 : NULL;
    return follows(p[3]) && (first != 0xF0 || p[1] >= 0x90) && (first < 0xF4 || (first == 0xF4 && p[1] < 0x90)) ? p + 4 : NULL;
}

/* The number of the \uXXXX at p, -1 where there is none. */
static int unit(Place p, Place end) {
    int number = 0;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        int digit = p[i], letter = digit | 0x20;
        if (digit >= '0' && digit <= '9')
            number = number * 16 + digit - '0';
        else if (letter >= 'a' && letter <= 'f')
            number = number * 16 + letter - 'a' + 10;
        else
            return -1;
    }
    return number;
}

/* A \uXXXX, or two where the first is half of a surrogate pair. */
static Place over_unit(Place p, Place end) {
    int number = unit(p, end);
    if (number < 0 || (number & 0xFC00) == 0xDC00)
        return NULL;
    if ((number & 0xFC00) != 0xD800)
        return p + 6;
    return (unit(p + 6, end) & ~0x3FF) == 0xDC00 ? p + 12 : NULL;
}

static const uint8_t SHORT_ESCAPE[256] = {
    ['"'] = 1, ['\\'] = 1, ['/'] = 1, ['b'] = 1, ['f'] = 1, ['n'] = 1, ['r'] = 1, ['t'] = 1,
};

/* In a string, over plain characters of ASCII and short escapes, in steps of 16 bytes. It stops early, never late. */
static inline Place over_blocks(Place p, Place end, int *escaped) {
#ifdef __SSE2__
    while (end - p > 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)p);
        __m128i special = _mm_cmpgt_epi8(_mm_set1_epi8(' '), block); /* signed: controls, and all above ASCII */
        special = _mm_or_si128(special, _mm_cmpeq_epi8(block, _mm_set1_epi8('"')));
        special = _mm_or_si128(special, _mm_cmpeq_epi8(block, _mm_set1_epi8('\\')));
        Place next = p + 16;
        for (unsigned bits = (unsigned)_mm_movemask_epi8(special); bits;) {
            Place found = p + __builtin_ctz(bits);
            if (*found != '\\' || !SHORT_ESCAPE[found[1]])
                return found;
            *escaped = 1;
            bits &= ~(3u << (found - p));
            next += found == p + 15; /* the escape's second byte is the first of the next block */
        }
        p = next;
    }
#endif
    while (p < end && *p >= ' ' && *p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* A string from behind its first quote. */
static inline Place over_string(Place p, Place end, int *escaped) {
    while ((p = over_blocks(p, end, escaped)) < end) {
        if (*p == '"')
            return p + 1;
        if (*p < ' ')
            return NULL;
        if (*p == '\\') {
            *escaped = 1;
            p = end - p > 1 && SHORT_ESCAPE[p[1]] ? p + 2 : over_unit(p, end);
        }
        while (p && p < end && *p >= 0x80)
            p = over_character(p, end);
        if (!p)
            return NULL;
    }
    return NULL;
}

static Place over_digits(Place p, Place end) {
    Place first = p;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p == first ? NULL : p;
}

static Place over_number(Place p, Place end) {
    Place first = p += *p == '-';
    p = over_digits(p, end);
    if (!p || (*first == '0' && p - first > 1))
        return NULL;
    if (p < end && *p == '.' && !(p = over_digits(p + 1, end)))
        return NULL;
    if (p == end || (*p | 0x20) != 'e')
        return p;
    p++;
    return over_digits(p + (p < end && (*p == '+' || *p == '-')), end);
}

/* A value that is neither array nor object. */
static inline Place over_scalar(Place p, Place end) {
    int escaped;
    switch (*p) {
    case '"': return over_string(p + 1, end, &escaped);
    case 't': return end - p >= 4 && !memcmp(p, "true", 4) ? p + 4 : NULL;
    case 'f': return end - p >= 5 && !memcmp(p, "false", 5) ? p + 5 : NULL;
    case 'n': return end - p >= 4 && !memcmp(p, "null", 4) ? p + 4 : NULL;
    default: return over_number(p, end);
    }
}

/* A name and its colon, and the spaces around them. */
static inline Place over_name(Place p, Place end, Text *name) {
    p = over_space(p, end);
    if (p == end || *p != '"')
        return NULL;
    name->text = p + 1;
    name->escaped = 0;
    if (!(p = over_string(p + 1, end, &name->escaped)))
        return NULL;
    name->length = p - 1 - name->text;
    p = over_space(p, end);
    return p < end && *p == ':' ? over_space(p + 1, end) : NULL;
}

/* Any value. What is open is kept in the bits of a number: 1 for an object, 0 for an array. */
static Place over_value(Place p, Place end) {
    uint64_t open = 0;
    int depth = 0;
    Text name;
    while (p < end) {
        if (*p == '{' || *p == '[') {
            uint64_t object = *p == '{';
            p = over_space(p + 1, end);
            if (p == end || depth == DEPTH)
                return NULL;
            if (*p != (object ? '}' : ']')) {
                open = open << 1 | object;
                depth++;
                if (object && !(p = over_name(p, end, &name)))
                    return NULL;
                continue;
            }
            p++;
        } else if (!(p = over_scalar(p, end))) {
            return NULL;
        }
        for (;; p++, depth--, open >>= 1) {
            if (depth == 0)
                return p;
            p = over_space(p, end);
            if (p == end)
                return NULL;
            if (*p != (open & 1 ? '}' : ']'))
                break;
        }
        if (*p != ',' || !(p = open & 1 ? over_name(p + 1, end, &name) : over_space(p + 1, end)))
            return NULL;
    }
    return NULL;
}

/* ---- Along a shape ---- */

static const Node *node_at(const Walk *w, const Node *parent, uint8_t number) {
    return number < parent - w->nodes ? w->nodes + number : NULL;
}

/* Which of a node's words a text is, -1 for none. */
static int find(const Walk *w, const Node *node, const Text *text) {
    for (int i = 0; i < node->count && node->first + i < w->word_count; i++) {
        const Word *word = w->words + node->first + i;
        if (word->length == text->length && word->length <= sizeof word->text && !memcmp(word->text, text->text, word->length))
            return i;
    }
    return -1;
}

static Place walk(Walk *w, Place p, const Node *node);

/* A member's value, and whether its name is among the node's first eight. */
static Place walk_member(Walk *w, Place p, const Node *node, const Text *name, unsigned *there) {
    int found = find(w, node, name);
    *there |= found >= 0 && found < 8 ? 1u << found : 0;
    return walk(w, p, node_at(w, node, found < 0 ? node->others : w->words[node->first + found].value));
}

/* An object or array from its first member or element on; it has one. */
static Place walk_inside(Walk *w, Place p, const Node *node, int object) {
    unsigned there = 0;
    Text name;
    for (;; p++) {
        if (!(p = object ? over_name(p, w->end, &name) : over_space(p, w->end)))
            return NULL;
        w->fits &= !object || !name.escaped;
        p = object ? walk_member(w, p, node, &name, &there) : walk(w, p, node_at(w, node, node->element));
        if (!p || (p = over_space(p, w->end)) == w->end)
            return NULL;
        if (*p == (object ? '}' : ']')) {
            w->fits &= !object || !node->one_of || (there & node->one_of);
            return p + 1;
        }
        if (*p != ',')
            return NULL;
    }
}

/* A value that should be as the node says. Once anything does not fit, all that matters is whether it is well-formed. */
static Place walk(Walk *w, Place p, const Node *node) {
    if (!node || !w->fits || p == w->end)
        return over_value(p, w->end);
    int kind = *p == '"' ? STRING : *p == '{' ? OBJECT : *p == '[' ? ARRAY : *p == 'n' ? NIL : SCALAR;
    w->fits = (node->allows & kind) != 0;
    if (kind == STRING) {
        Text text = {p + 1, 0, 0};
        if ((p = over_string(text.text, w->end, &text.escaped)) && node->count && !(node->allows & OBJECT)) {
            text.length = p - 1 - text.text;
            w->fits &= !text.escaped && find(w, node, &text) >= 0;
        }
        return p;
    }
    if (!w->fits || kind == NIL || kind == SCALAR)
        return over_value(p, w->end);
    p = over_space(p + 1, w->end);
    if (p == w->end || *p != (kind == OBJECT ? '}' : ']'))
        return walk_inside(w, p, node, kind == OBJECT);
    w->fits = kind == ARRAY || !node->one_of;
    return p + 1;
}

/* ---- The body itself ---- */

typedef struct { Text name; Place from, to; int shaped; } Member;

/* The name is not there already. */
static int is_new(const Member *members, int count, const Text *name) {
    int i = 0;
    while (i < count && (members[i].name.length != name->length || memcmp(members[i].name.text, name->text, (size_t)name->length)))
        i++;
    return i == count;
}

/* How many members the body has; -1 where it needs another reading. */
static int read_members(Walk *w, Place p, Member *members) {
    const Node *node = w->nodes + w->node_count - 1;
    unsigned there = 0;
    int count = 0;
    p = over_space(p, w->end);
    if (p == w->end || *p != '{')
        return -1;
    if ((p = over_space(p + 1, w->end)) < w->end && *p == '}')
        return over_space(p + 1, w->end) == w->end ? 0 : -1;
    for (; count < MEMBERS; p++) {
        Member *member = members + count;
        member->from = over_name(p, w->end, &member->name);
        if (!member->from || member->name.escaped || !is_new(members, count, &member->name))
            return -1;
        member->shaped = find(w, node, &member->name) >= 0;
        p = member->to = walk_member(w, member->from, node, &member->name, &there);
        if (!p || (p = over_space(p, w->end)) == w->end || (*p != ',' && *p != '}'))
            return -1;
        count++;
        if (*p == '}')
            return over_space(p + 1, w->end) == w->end ? count : -1;
    }
    return -1;
}

static PyObject *outline_of(Place start, Place end, const Member *members, int count) {
    Py_ssize_t size = end - start;
    for (int i = 0; i < count; i++)
        size += members[i].shaped ? 4 - (members[i].to - members[i].from) : 0;
    PyObject *outline = PyBytes_FromStringAndSize(NULL, size);
    char *target = outline ? PyBytes_AsString(outline) : NULL;
    for (int i = 0; target && i < count; i++) {
        if (members[i].shaped) {
            target = (char *)memcpy(target, start, (size_t)(members[i].from - start)) + (members[i].from - start);
            target = (char *)memcpy(target, "null", 4) + 4;
            start = members[i].to;
        }
    }
    if (target)
        memcpy(target, start, (size_t)(end - start));
    return outline;
}

static PyObject *told(Place start, const Walk *w, const Member *members, int count) {
    PyObject *names = PyTuple_New(count), *places = PyTuple_New(2 * count), *result = NULL;
    PyObject *outline = w->fits ? outline_of(start, w->end, members, count) : Py_NewRef(Py_None);
    int done = names && places && outline;
    for (int i = 0; done && i < count; i++) {
        PyObject *name = PyUnicode_DecodeUTF8((const char *)members[i].name.text, members[i].name.length, NULL);
        PyObject *from = PyLong_FromSsize_t(members[i].from - start), *to = PyLong_FromSsize_t(members[i].to - start);
        done = name && from && to;
        PyTuple_SetItem(names, i, name); /* takes the reference, NULL too */
        PyTuple_SetItem(places, 2 * i, from);
        PyTuple_SetItem(places, 2 * i + 1, to);
    }
    if (done)
        result = PyTuple_Pack(3, names, places, outline);
    Py_XDECREF(names);
    Py_XDECREF(places);
    Py_XDECREF(outline);
    return result;
}

static PyObject *scan(PyObject *module, PyObject *const *args, Py_ssize_t given) {
    (void)module;
    if (given != 3 || !PyBytes_Check(args[0]) || !PyBytes_Check(args[1]) || !PyBytes_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "scan takes three bytes objects: body, nodes, words");
        return NULL;
    }
    Place start = (Place)PyBytes_AsString(args[0]);
    Walk w = {
        .end = start + PyBytes_Size(args[0]),
        .nodes = (const Node *)PyBytes_AsString(args[1]),
        .words = (const Word *)PyBytes_AsString(args[2]),
        .node_count = PyBytes_Size(args[1]) / (Py_ssize_t)sizeof(Node),
        .word_count = PyBytes_Size(args[2]) / (Py_ssize_t)sizeof(Word),
        .fits = 1,
    };
    Member members[MEMBERS];
    int count = w.node_count ? read_members(&w, start, members) : -1;
    return count < 0 ? Py_NewRef(Py_None) : told(start, &w, members, count);
}

static PyMethodDef methods[] = {
    {"scan", (PyCFunction)(void (*)(void))scan, METH_FASTCALL, "scan(body, nodes, words) -> None | (names, places, outline)"},
    {NULL, NULL, 0, NULL},
};
static PyModuleDef_Slot slots[] = {{0, NULL}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_scan", .m_methods = methods, .m_slots = slots};

PyMODINIT_FUNC PyInit__scan(void) { return PyModuleDef_Init(&definition); }
