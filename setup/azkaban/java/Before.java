import org.objectweb.asm.Label;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/** Puts a call of a method of ours, with some of the arguments, before a method's own code. */
final class Before extends MethodVisitor {
    private final String owner;
    private final String name;
    private final String descriptor;
    private final int[] arguments;

    /**
     * Where ours returns true, a method without a result returns at once; that needs a class
     * older than stack map frames, as Jetty's are.
     */
    Before(MethodVisitor next, String owner, String name, String descriptor, int... arguments) {
        super(Opcodes.ASM9, next);
        this.owner = owner;
        this.name = name;
        this.descriptor = descriptor;
        this.arguments = arguments;
    }

    @Override
    public void visitCode() {
        super.visitCode();
        for (int argument : arguments) {
            visitVarInsn(Opcodes.ALOAD, argument);
        }
        visitMethodInsn(Opcodes.INVOKESTATIC, owner, name, descriptor, false);
        if (descriptor.endsWith("Z")) {
            Label go = new Label();
            visitJumpInsn(Opcodes.IFEQ, go);
            visitInsn(Opcodes.RETURN);
            visitLabel(go);
        }
    }
}
