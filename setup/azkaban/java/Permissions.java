import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * Lets the database find the permissions of a project.
 *
 * Azkaban keeps a project's number as text in project_permissions and asks for it as a number. H2
 * then searches an index of texts in the order of numbers: from the tenth project on, it missed
 * permissions, so that after a restart people had none, and what was removed could come back. Here
 * it is asked for as text, which is the same for MySQL.
 */
public final class Permissions extends MethodTransformer {
    @Override
    protected boolean changes(String type) {
        return type.startsWith("azkaban/project/") && type.contains("Project");
    }

    @Override
    protected MethodVisitor change(
            String type, String method, String descriptor, MethodVisitor next) {
        return new MethodVisitor(Opcodes.ASM9, next) {
            @Override
            public void visitLdcInsn(Object value) {
                boolean asks = value instanceof String
                        && ((String) value).contains("project_permissions");
                super.visitLdcInsn(asks
                        ? ((String) value).replaceAll("project_id\\s*=\\s*\\?", "project_id=CAST(? AS CHAR)") : value);
            }
        };
    }
}
