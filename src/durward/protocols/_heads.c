/* A response head (RFC 9112 §4–5) that has just the header names of one before. `http1_answer.py` is the only caller, and its grammar the
 * one of this walk: what is accepted here, `read_head` reads alike, and is the oracle of the tests.
 *
 *     edges(data, names) -> None | (minor version, status, where each told line begins, where the blank line does)
 *
 * `names` holds the header lines' names in order and as they are spelled, each behind two bytes: its length, and 1 if the line is told.
 * None stands for every head that is in any way different, malformed, or not there as a whole.
 *
 * Nothing is read at the end of either or behind it, whatever they hold. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define LINES 200 /* HEAD_LINES */

typedef const unsigned char *Place;

/* Over a field's value (RFC 9110 §5.5), obs-text allowed: at the first control byte that is no tab, or at the end. */
static inline Place over_value(Place p, Place end) {
    for (;; p++) {
#ifdef __SSE2__
        for (; end - p >= 16; p += 16) {
            __m128i block = _mm_loadu_si128((const __m128i *)p);
            __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1F)), block);
            unsigned bits = (unsigned)_mm_movemask_epi8(_mm_or_si128(control, _mm_cmpeq_epi8(block, _mm_set1_epi8(0x7F))));
            if (bits) {
                p += __builtin_ctz(bits);
                break;
            }
        }
#endif
        while (p < end && *p >= ' ' && *p != 0x7F)
            p++;
        if (p == end || *p != '\t')
            return p;
    }
}

/* Behind the rest of a line, NULL if it does not end as it must. */
static inline Place over_line(Place p, Place end) {
    p = over_value(p, end);
    return end - p >= 2 && p[0] == '\r' && p[1] == '\n' ? p + 2 : NULL;
}

/* Behind `HTTP/1.x NNN reason`. */
static Place over_status_line(Place p, Place end) {
    if (end - p < 14 || memcmp(p, "HTTP/1.", 7) || (p[7] != '0' && p[7] != '1') || p[8] != ' ')
        return NULL;
    if (p[9] < '1' || p[9] > '5' || p[10] < '0' || p[10] > '9' || p[11] < '0' || p[11] > '9')
        return NULL;
    return p[12] == ' ' || p[12] == '\r' ? over_line(p + 12, end) : NULL;
}

/* How many edges there are: where told lines begin, and the blank line; -1 where the head is another. */
static int find_edges(Place p, Place end, Place name, Place names_end, Place *found) {
    int count = 0, lines = 0;
    while (names_end - name >= 2) {
        Py_ssize_t length = name[0];
        int told = name[1];
        name += 2;
        if (names_end - name < length || lines++ == LINES || end - p <= length || memcmp(p, name, (size_t)length) || p[length] != ':')
            return -1;
        if (told)
            found[count++] = p;
        name += length;
        if (!(p = over_line(p + length + 1, end)))
            return -1;
    }
    if (end - p < 2 || p[0] != '\r' || p[1] != '\n')
        return -1;
    found[count++] = p;
    return count;
}

static PyObject *numbers(Place start, const Place *found, int count) {
    PyObject *result = PyTuple_New(count + 2);
    for (int i = 0; result && i < count + 2; i++) {
        long number = i == 0 ? start[7] - '0' : (start[9] - '0') * 100 + (start[10] - '0') * 10 + start[11] - '0';
        PyObject *item = i < 2 ? PyLong_FromLong(number) : PyLong_FromSsize_t(found[i - 2] - start);
        if (!item)
            Py_CLEAR(result);
        else
            PyTuple_SetItem(result, i, item); /* takes the reference */
    }
    return result;
}

static PyObject *edges(PyObject *module, PyObject *const *args, Py_ssize_t given) {
    (void)module;
    if (given != 2 || !PyBytes_Check(args[0]) || !PyBytes_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "edges takes two bytes objects: data, names");
        return NULL;
    }
    Place start = (Place)PyBytes_AsString(args[0]), end = start + PyBytes_Size(args[0]);
    Place names = (Place)PyBytes_AsString(args[1]), found[LINES + 1];
    Place p = over_status_line(start, end);
    int count = p ? find_edges(p, end, names, names + PyBytes_Size(args[1]), found) : -1;
    return count < 0 ? Py_NewRef(Py_None) : numbers(start, found, count);
}

static PyMethodDef methods[] = {
    {"edges", (PyCFunction)(void (*)(void))edges, METH_FASTCALL, "edges(data, names) -> None | (minor, status, edge, …)"},
    {NULL, NULL, 0, NULL},
};
static PyModuleDef_Slot slots[] = {{0, NULL}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_heads", .m_methods = methods, .m_slots = slots};

PyMODINIT_FUNC PyInit__heads(void) { return PyModuleDef_Init(&definition); }
