import java.lang.instrument.ClassFileTransformer;
import java.security.ProtectionDomain;
import java.util.Collections;
import java.util.HashSet;
import java.util.Set;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.Label;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;
import org.objectweb.asm.Type;

/**
 * Changes methods of some classes while they are loaded: a subclass says which, and how.
 *
 * Most changes are a call of a public static method of ours, written "Class.method", in one of five
 * places: before a method's own code, at its end, with its result, instead of its code, or instead
 * of a call that it makes. What such a method of ours takes are the arguments with these numbers,
 * of which 0 is the object itself and a long or double counts twice.
 */
public abstract class MethodTransformer implements ClassFileTransformer {
    /** Those of our methods for which a place was found. */
    protected final Set<String> placed = Collections.synchronizedSet(new HashSet<String>());

    /** Tells whether a class, such as "java/lang/String", has methods to change. */
    protected abstract boolean changes(String type);

    /** Returns what a method's code is written through; the given visitor leaves it as it is. */
    protected abstract MethodVisitor change(
            String type, String method, String descriptor, MethodVisitor next);

    @Override
    public byte[] transform(ClassLoader loader, final String type, Class<?> redefined,
            ProtectionDomain domain, byte[] bytes) {
        if (type == null || !changes(type)) { // a lambda's class has no name
            return null;
        }
        ClassReader reader = new ClassReader(bytes);
        // A writer that knows the reader copies the methods that stay as they are.
        ClassWriter writer = new ClassWriter(reader, ClassWriter.COMPUTE_MAXS);
        reader.accept(new ClassVisitor(Opcodes.ASM9, writer) {
            @Override
            public MethodVisitor visitMethod(int access, String method, String descriptor,
                    String signature, String[] exceptions) {
                return change(type, method, descriptor,
                        super.visitMethod(access, method, descriptor, signature, exceptions));
            }
        }, 0);
        return writer.toByteArray();
    }

    /**
     * Calls ours before a method's own code. Where ours returns true, the method, which has no
     * result, returns at once; that needs a class older than stack map frames, as Jetty's are.
     */
    protected final MethodVisitor before(MethodVisitor next, final String ours,
            final String descriptor, final int... arguments) {
        return new MethodVisitor(Opcodes.ASM9, next) {
            @Override
            public void visitCode() {
                super.visitCode();
                call(mv, ours, descriptor, arguments);
                if (descriptor.endsWith("Z")) {
                    Label go = new Label();
                    mv.visitJumpInsn(Opcodes.IFEQ, go);
                    mv.visitInsn(Opcodes.RETURN);
                    mv.visitLabel(go);
                }
            }
        };
    }

    /** Calls ours where a method without a result returns. */
    protected final MethodVisitor after(MethodVisitor next, final String ours,
            final String descriptor, final int... arguments) {
        return new MethodVisitor(Opcodes.ASM9, next) {
            @Override
            public void visitInsn(int opcode) {
                if (opcode == Opcodes.RETURN) {
                    call(mv, ours, descriptor, arguments);
                }
                super.visitInsn(opcode);
            }
        };
    }

    /** Returns what ours makes of an object that a method, with a descriptor of its own, returns. */
    protected final MethodVisitor result(MethodVisitor next, String method, final String ours,
            final String descriptor, final int... arguments) {
        final String type = Type.getReturnType(method).getInternalName();
        return new MethodVisitor(Opcodes.ASM9, next) {
            @Override
            public void visitInsn(int opcode) {
                if (opcode == Opcodes.ARETURN) {
                    call(mv, ours, descriptor, arguments);
                    mv.visitTypeInsn(Opcodes.CHECKCAST, type);
                }
                super.visitInsn(opcode);
            }
        };
    }

    /** Makes a call of ours the whole code of a method, and drops its own. */
    protected final MethodVisitor instead(MethodVisitor method, String ours, String descriptor,
            int... arguments) {
        method.visitCode();
        call(method, ours, descriptor, arguments);
        method.visitInsn(Type.getReturnType(descriptor).getOpcode(Opcodes.IRETURN));
        method.visitMaxs(0, 0); // which are computed
        method.visitEnd();
        return null;
    }

    /** Calls ours, with the object before the arguments, where a method calls "Class.method". */
    protected final MethodVisitor redirect(MethodVisitor next, final String called,
            final String ours, final String descriptor) {
        return new MethodVisitor(Opcodes.ASM9, next) {
            @Override
            public void visitMethodInsn(int opcode, String owner, String name, String theirs,
                    boolean ofInterface) {
                if (called.equals(owner + "." + name)) {
                    call(mv, ours, descriptor);
                } else {
                    super.visitMethodInsn(opcode, owner, name, theirs, ofInterface);
                }
            }
        };
    }

    /** Loads arguments, the last ones that ours takes, and calls it. */
    private void call(MethodVisitor method, String ours, String descriptor, int... arguments) {
        Type[] types = Type.getArgumentTypes(descriptor);
        int onStack = types.length - arguments.length;
        for (int number = 0; number < arguments.length; number++) {
            int load = types[onStack + number].getOpcode(Opcodes.ILOAD);
            method.visitVarInsn(load, arguments[number]);
        }
        int dot = ours.lastIndexOf('.');
        method.visitMethodInsn(Opcodes.INVOKESTATIC, ours.substring(0, dot),
                ours.substring(dot + 1), descriptor, false);
        placed.add(ours);
    }
}
