"""Numbers too small for full precision (below 1e-38 in single), taken as 0 while a kernel runs.

Moments of an optimiser fade through them wherever the gradient is 0, as at pixels that are always dark and behind
saturated neurons; membranes, currents and traces of silent neurons decay to the smallest of them, and stay there, since
a part of that is rounded to itself. Processors of Intel are many times slower at them, and no weight and no threshold
can tell them from 0.
"""

import platform

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

X86 = platform.machine().lower() in ("x86_64", "amd64")  # others are not slowed down, or are left as they are
FLUSH_RESULTS, ZERO_OPERANDS = 1 << 15, 1 << 6  # bits of the register MXCSR, which each thread has its own of
WORD = ir.IntType(32)


def _with_register(builder, name, place):
    """Store MXCSR to a place in memory, or load it from there."""
    pointer = cgutils.voidptr_t
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [pointer]), name)
    builder.call(function, [builder.bitcast(place, pointer)])


@intrinsic
def flush_subnormals(typingctx):
    """Take subnormal numbers as 0 in this thread from now on; gives what `restore` needs."""

    def generate(context, builder, signature, arguments):
        if not X86:
            return WORD(0)
        place = cgutils.alloca_once(builder, WORD)
        _with_register(builder, "llvm.x86.sse.stmxcsr", place)
        before = builder.load(place)
        builder.store(builder.or_(before, WORD(FLUSH_RESULTS | ZERO_OPERANDS)), place)
        _with_register(builder, "llvm.x86.sse.ldmxcsr", place)
        return before

    return types.uint32(), generate


@intrinsic
def restore(typingctx, before):
    """Treat subnormal numbers as before `flush_subnormals`."""

    def generate(context, builder, signature, arguments):
        if X86:
            place = cgutils.alloca_once(builder, WORD)
            builder.store(arguments[0], place)
            _with_register(builder, "llvm.x86.sse.ldmxcsr", place)
        return context.get_dummy_value()

    return types.void(types.uint32), generate
