package seedfile

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// Secret is text that no format, log or encoder shows.
type Secret string

const redacted = "[redacted]"

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// maxSecretFile bounds what is read from a secret's file, in bytes.
const maxSecretFile = 64 << 10

// secret fills value from exactly one of the three keys name, nameEnv and
// nameFile below at. Without required, none of them is fine too.
func (c *checker) secret(at place, name string, value *Secret, env, file string, required bool) error {
	given := 0
	for _, key := range []string{name, name + "Env", name + "File"} {
		if c.doc.Has(at.sub(key)) {
			given++
		}
	}
	if given > 1 {
		return c.fault(at.sub(name), "give one of %[1]s, %[1]sEnv and %[1]sFile", name)
	}
	var source string
	switch {
	case env != "":
		source = name + "Env"
		v, ok := c.lookupEnv(env)
		if !ok || v == "" {
			return c.fault(at.sub(source), "environment variable %.60q is not set", env)
		}
		*value = Secret(v)
	case file != "":
		source = name + "File"
		v, err := readSecret(c.resolve(file))
		if err != nil {
			return c.fault(at.sub(source), "%v", err)
		}
		*value = v
	case given == 1 && *value == "":
		return c.fault(at.sub(name), "%s is empty", name)
	case given == 0 && required:
		return c.fault(at, "%[1]s is missing: give %[1]s, %[1]sEnv or %[1]sFile", name)
	default:
		source = name
	}
	if !printable(string(*value), maxText) {
		return c.fault(at.sub(source), "%s is longer than %d bytes or has control characters", name, maxText)
	}
	return nil
}

func (c *checker) resolve(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(c.dir, file)
}

// readSecret returns the content of a file without its last newline.
func readSecret(name string) (Secret, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", err
	}
	if info.Size() > maxSecretFile {
		return "", &os.PathError{Op: "read", Path: name, Err: errTooLarge}
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if text == "" {
		return "", &os.PathError{Op: "read", Path: name, Err: errEmpty}
	}
	return Secret(text), nil
}
