import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * Reads and writes characters beyond U+FFFF, such as emoji.
 *
 * Jetty 6 puts the bits of each character of UTF-8 together and cuts them to 16: a job got U+F600
 * for the parameter U+1F600. Where its decoder appends what it has put together, the bits are left
 * whole here and become the two halves that Java has for such a character. Its writer encodes each
 * half by itself, which is no UTF-8: it is led to Java's own encoder, as for any other encoding.
 */
public final class Characters extends MethodTransformer {
    private static final int LAST = 0x10FFFF;
    private static final String WRITER = "org/mortbay/jetty/AbstractGenerator$OutputWriter";

    @Override
    protected boolean changes(String type) {
        return type.equals("org/mortbay/util/Utf8StringBuffer") || type.equals(WRITER);
    }

    @Override
    protected MethodVisitor change(
            String type, String method, String descriptor, MethodVisitor next) {
        if (type.equals(WRITER)) {
            return method.equals("setCharacterEncoding")
                    ? redirect(next, "java/lang/String.equalsIgnoreCase", "Characters.isQuick",
                            "(Ljava/lang/String;Ljava/lang/String;)Z")
                    : next;
        }
        if (!method.equals("append") || !descriptor.equals("(B)V")) {
            return next;
        }
        MethodVisitor whole = new MethodVisitor(Opcodes.ASM9, next) {
            @Override
            public void visitInsn(int opcode) {
                if (opcode != Opcodes.I2C) {
                    super.visitInsn(opcode);
                }
            }
        };
        return redirect(whole, "java/lang/StringBuffer.append", "Characters.append",
                "(Ljava/lang/StringBuffer;I)Ljava/lang/StringBuffer;");
    }

    /** Tells whether an encoding is the one that Jetty writes by itself; UTF-8 never is. */
    public static boolean isQuick(String own, String encoding) {
        return !own.equals("UTF-8") && own.equalsIgnoreCase(encoding);
    }

    /** Appends a character; what is none becomes the sign that says so. */
    public static StringBuffer append(StringBuffer text, int character) {
        boolean none = character > LAST || character < 0
                || character >= Character.MIN_SURROGATE && character <= Character.MAX_SURROGATE;
        return text.appendCodePoint(none ? 0xFFFD : character);
    }
}
