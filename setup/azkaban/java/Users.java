import azkaban.user.Permission;
import azkaban.user.Role;
import azkaban.user.User;
import azkaban.user.UserManager;
import azkaban.user.UserManagerException;
import azkaban.utils.Props;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.apache.log4j.Logger;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.xml.sax.SAXException;

/**
 * Knows who may log in, from the users' file as Azkaban's own XmlUserManager reads it.
 *
 * Four things are added. A password may stand there as pbkdf2-sha256$ITERATIONS$SALT$HASH, with
 * salt and hash in Base64; one in plain text goes on to work. The file is read again as soon as it
 * has changed, and what cannot be understood leaves what was read before in force. A user whose
 * entry was changed or removed has to log in again: Azkaban keeps a session, with the roles of its
 * login, for hours, so that its SessionCache is made to ask here before it returns one.
 *
 * A user without a role has the role "user", which may create projects. Azkaban would let anybody
 * do so: who was to read only could have run jobs, with the rights of the server's account.
 */
public final class Users implements UserManager {
    private static final Logger LOG = Logger.getLogger(Users.class);
    private static final String ORDINARY = "user";
    private static final String KIND = "pbkdf2-sha256$";
    private static final Pattern HASHED = Pattern.compile(
            "pbkdf2-sha256\\$(\\d{1,8})\\$([A-Za-z0-9+/]+=*)\\$([A-Za-z0-9+/]+=*)");
    private static volatile Users active;

    private final Path file;
    private final byte[] key = new byte[32];
    private final Account nobody;
    private String stamp = "";
    private Content content;

    /** Azkaban's web server calls this constructor. */
    public Users(Props settings) {
        file = Paths.get(settings.getString("user.manager.xml.file"));
        new SecureRandom().nextBytes(key);
        nobody = new Account(Collections.singletonMap("username", ""), "", new HashSet<String>());
        content = new Content();
        try {
            content = read();
        } catch (IOException | RuntimeException error) {
            throw new IllegalArgumentException(file + ": " + error.getMessage(), error);
        }
        active = this;
    }

    /** Returns a session while its user's entry is as it was at the login, else null. */
    public static Object live(Object session) {
        Users users = active;
        if (session == null || users == null) {
            return session; // another user manager is set
        }
        User user = (User) Members.call(session, "getUser");
        Account account = users.now().accounts.get(user.getUserId());
        return account != null && account.user == user ? session : null;
    }

    @Override
    public User getUser(String name, String password) throws UserManagerException {
        if (name == null || name.trim().isEmpty()) {
            throw new UserManagerException("Username is empty.");
        }
        if (password == null || password.trim().isEmpty()) {
            throw new UserManagerException("Password is empty.");
        }
        Account account = now().accounts.get(name);
        // An unknown name takes as long as a wrong password: the answer's time names no users.
        if (!(account == null ? nobody : account).accepts(password) || account == null) {
            throw new UserManagerException("Username/Password not found.");
        }
        return account.user;
    }

    @Override
    public boolean validateUser(String name) {
        return now().accounts.containsKey(name);
    }

    @Override
    public boolean validateGroup(String group) {
        return true; // as XmlUserManager has it
    }

    @Override
    public Role getRole(String name) {
        return now().roles.get(name);
    }

    @Override
    public boolean validateProxyUser(String proxy, User user) {
        Account account = now().accounts.get(user.getUserId());
        return account != null && split(account.attributes.get("proxy")).contains(proxy);
    }

    /** Asked by releases after 4.0; the answer is XmlUserManager's. */
    public boolean validateLdapGroup(String group) {
        return false;
    }

    /** Asked by releases after 4.0; the answer is XmlUserManager's. */
    public boolean validateUserGroupMembership(String name, Set<String> groups) {
        return false;
    }

    private synchronized Content now() {
        if (!stamp.equals(stampOfFile())) {
            try {
                content = read();
            } catch (IOException | RuntimeException error) {
                LOG.error(file + " was not read again, the users stay as they were: " + error);
            }
        }
        return content;
    }

    /** Tells one state of the file from another, also where one file took another's place. */
    private String stampOfFile() {
        try {
            BasicFileAttributes found = Files.readAttributes(file, BasicFileAttributes.class);
            return found.lastModifiedTime() + " " + found.size() + " " + found.fileKey();
        } catch (IOException error) {
            return error.toString();
        }
    }

    // What the file says

    private static final class Content {
        private final Map<String, Account> accounts = new HashMap<String, Account>();
        private final Map<String, Role> roles = new HashMap<String, Role>();
    }

    private Content read() throws IOException {
        stamp = stampOfFile(); // first, so that a file with an error is read and reported once
        Element root = parsed();
        Content found = new Content();
        Map<String, Set<String>> ofGroups = new HashMap<String, Set<String>>();
        for (Map<String, String> role : entries(root, "role", "name", "permissions")) {
            found.roles.put(role.get("name"), role(role.get("name"), role.get("permissions")));
        }
        found.roles.putIfAbsent(ORDINARY, role(ORDINARY, "CREATEPROJECTS"));
        for (Map<String, String> group : entries(root, "group", "name")) {
            ofGroups.put(group.get("name"), split(group.get("roles")));
        }
        for (Map<String, String> user : entries(root, "user", "username", "password")) {
            String name = user.get("username");
            Set<String> roles = new HashSet<String>(split(user.get("roles")));
            for (String group : split(user.get("groups"))) {
                roles.addAll(ofGroups.getOrDefault(group, Collections.<String>emptySet()));
            }
            Set<String> unknown = new HashSet<String>(roles);
            unknown.removeAll(found.roles.keySet());
            if (!unknown.isEmpty()) {
                LOG.warn(file + ": user " + name + " has roles that are not defined: " + unknown);
                roles.removeAll(unknown); // Azkaban's pages fail on them
            } else if (roles.isEmpty()) {
                roles.add(ORDINARY);
            }
            Account before = content.accounts.get(name);
            boolean same = before != null && before.attributes.equals(user)
                    && new HashSet<String>(before.user.getRoles()).equals(roles);
            Account account = same ? before : new Account(user, user.get("password"), roles);
            found.accounts.put(name, account);
        }
        LOG.info(file + ": " + found.accounts.size() + " users");
        return found;
    }

    private static Role role(String name, String permissions) {
        Permission permission = new Permission();
        for (String type : split(permissions)) {
            try {
                permission.addPermission(Permission.Type.valueOf(type));
            } catch (IllegalArgumentException error) {
                LOG.error("role " + name + ": this Azkaban has no permission " + type);
            }
        }
        return new Role(name, permission);
    }

    private Element parsed() throws IOException {
        try {
            return DocumentBuilderFactory.newInstance().newDocumentBuilder()
                    .parse(file.toFile()).getDocumentElement();
        } catch (ParserConfigurationException | SAXException error) {
            throw new IOException(error.getMessage(), error);
        }
    }

    /** Lists the attributes of all elements of a kind. */
    private static List<Map<String, String>> entries(Element root, String kind, String... needed)
            throws IOException {
        List<Map<String, String>> found = new ArrayList<Map<String, String>>();
        for (Node node = root.getFirstChild(); node != null; node = node.getNextSibling()) {
            if (!kind.equals(node.getNodeName())) {
                continue;
            }
            Map<String, String> attributes = new TreeMap<String, String>();
            for (int number = 0; number < node.getAttributes().getLength(); number++) {
                Node attribute = node.getAttributes().item(number);
                attributes.put(attribute.getNodeName(), attribute.getNodeValue());
            }
            if (!attributes.keySet().containsAll(Arrays.asList(needed))) {
                throw new IOException("a " + kind + " needs " + String.join(" and ", needed));
            }
            found.add(attributes);
        }
        return found;
    }

    private static Set<String> split(String list) {
        Set<String> found = new HashSet<String>();
        if (list != null) {
            found.addAll(Arrays.asList(list.trim().split("\\s*,\\s*")));
            found.remove("");
        }
        return found;
    }

    /** One user. The same object stands for it until the entry changes. */
    private final class Account {
        private final Map<String, String> attributes;
        private final User user;
        private final byte[] plain;
        private final byte[] salt;
        private final byte[] hash;
        private final int iterations;
        private volatile byte[] proven;

        Account(Map<String, String> attributes, String password, Set<String> roles) {
            this.attributes = attributes;
            Matcher found = HASHED.matcher(password);
            boolean hashed = found.matches();
            if (!hashed && password.startsWith(KIND)) {
                throw new IllegalArgumentException(
                        "the password's hash of user " + attributes.get("username") + " is damaged");
            }
            plain = hashed || password.isEmpty() ? null : bytes(password);
            iterations = hashed ? Integer.parseInt(found.group(1)) : 600000;
            salt = Base64.getDecoder().decode(hashed ? found.group(2) : "AAAAAAAA");
            hash = hashed ? Base64.getDecoder().decode(found.group(3)) : new byte[32];
            user = new User(attributes.get("username"));
            for (String role : roles) {
                user.addRole(role);
            }
            for (String group : split(attributes.get("groups"))) {
                user.addGroup(group);
            }
            if (attributes.containsKey("email")) {
                user.setEmail(attributes.get("email"));
            }
            user.setPermissions(new User.UserPermissions() {
                @Override
                public boolean hasPermission(String permission) {
                    return true; // as XmlUserManager has it
                }

                @Override
                public void addPermission(String permission) {
                }
            });
        }

        boolean accepts(String password) {
            if (plain != null) {
                return MessageDigest.isEqual(plain, bytes(password));
            }
            try {
                // The slow hash is for who has stolen the file. A password that has passed it
                // once is recognised by a quick one with a key that never leaves this process.
                MessageDigest quick = MessageDigest.getInstance("SHA-256");
                quick.update(key);
                byte[] mark = quick.digest(bytes(password));
                if (proven != null && MessageDigest.isEqual(proven, mark)) {
                    return true;
                }
                PBEKeySpec work = new PBEKeySpec(
                        password.toCharArray(), salt, iterations, hash.length * 8);
                boolean right = MessageDigest.isEqual(hash, SecretKeyFactory
                        .getInstance("PBKDF2WithHmacSHA256").generateSecret(work).getEncoded());
                proven = right ? mark : proven;
                return right;
            } catch (GeneralSecurityException error) {
                throw new IllegalStateException(error);
            }
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
