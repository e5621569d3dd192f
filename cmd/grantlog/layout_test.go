package main

import (
	"encoding/json"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/grantlog/grantlog"

// layout is the import table of the house: what each package may import of
// ours, and why. A package that is not named here may not exist. "endpoint"
// stands for the packages of endpoint families.
var layout = []struct {
	pkg    string
	may    []string
	reason string
}{
	{"events", nil, "the vocabulary knows nobody"},
	{"events/seal", []string{"events"}, "keys and ciphers, no storage"},
	{"events/leader", nil, "one question to NATS"},
	{"events/drift", nil, "what a stream of NATS must be"},
	{"events/journal", []string{"events", "events/drift", "events/leader"}, "the only writer and reader of the stream"},
	{"events/journal/journaltest", []string{"events", "events/journal"}, "a real server for tests"},
	{"events/erasable", []string{"events", "events/drift", "events/leader"}, "what the log must be able to forget, kept beside it"},
	{"events/tree", []string{"events"}, "hashes of records, in files of its own"},
	{"projections", []string{"events"}, "a pure fold needs the events alone"},
	{"projections/follow", []string{"events", "events/journal", "events/leader", "events/seal", "events/tree", "projections"}, "feeds the fold from the log; snapshots are sealed"},
	{"projections/notary", []string{"events", "events/journal", "events/tree"}, "signs what the log holds; the state is not its business"},
	{"projections/resource", []string{"events", "projections"}, "for other people's servers: as little as possible"},
	{"docs/examples/resource", []string{"projections/resource"}, "what the documentation shows, built and run by a test"},
	{"handlers/command", []string{"events", "projections"}, "pure decisions: no I/O to import"},
	{"handlers/emit", []string{"events", "events/journal", "handlers/command", "projections", "projections/follow"}, "decide, append, wait"},
	{"handlers/emit/emittest", []string{"events", "events/erasable", "events/journal", "events/journal/journaltest", "events/seal", "handlers/command", "handlers/emit", "handlers/sign", "projections", "projections/follow"}, "a replica without HTTP for tests"},
	{"handlers/oauth", []string{"events", "handlers/command"}, "protocol words; events only for request ids"},
	{"handlers/authn", []string{"events", "handlers/command", "handlers/oauth", "projections"}, "one place decides who is calling"},
	{"handlers/guard", []string{"events", "handlers/authn", "handlers/command", "handlers/emit", "handlers/oauth", "projections"}, "one decision for every face"},
	{"handlers/egress", []string{"handlers/command"}, "one way out of the server"},
	{"handlers/proxy", []string{"events", "handlers/authn", "handlers/egress", "handlers/guard", "handlers/oauth"}, "one way to an upstream"},
	{"handlers/consistency", []string{"events", "handlers/oauth"}, "one header, one middleware"},
	{"handlers/sign", []string{"events", "events/seal", "projections"}, "private keys never leave it"},
	{"handlers/credential", []string{"events", "events/seal"}, "the form of ids and secrets"},
	{"handlers/page", []string{"handlers/oauth"}, "cursors and limits of every list"},
	{"handlers/sse", []string{"events", "handlers/oauth"}, "the form of live streams"},
	{"handlers/password", []string{"handlers/oauth"}, "one queue for all argon2id"},
	{"handlers/personal", []string{"events", "events/erasable", "events/seal", "projections"}, "people in the clear: seal, find, destroy"},
	{"handlers/enroll", []string{"events", "events/erasable", "handlers/command", "handlers/emit", "handlers/password", "handlers/personal", "projections"}, "how people become users: of requests and of the seed"},
	{"handlers/login", []string{"events", "events/erasable", "handlers/command", "handlers/emit", "handlers/oauth", "handlers/password", "handlers/personal", "projections"}, "one judge of passwords"},
	{"handlers/body", []string{"handlers/oauth"}, "strict JSON bodies"},
	{"handlers/manage", []string{"events", "projections", "handlers/command", "handlers/emit", "handlers/oauth", "handlers/asof", "handlers/authn", "handlers/consistency", "handlers/credential", "handlers/page"}, "what management endpoints have in common"},
	{"handlers/authentications", []string{"endpoint", "events/erasable", "handlers/egress"}, "third-party tokens, erasable like personal data"},
	{"handlers/audit", []string{"endpoint", "events/journal"}, "shows records of the log itself"},
	{"handlers/transparency", []string{"endpoint", "events/journal", "events/tree", "projections/notary"}, "shows that the log's records are those it had"},
	{"handlers/revocations", []string{"endpoint", "events/journal"}, "feeds listeners from records of the log"},
	{"handlers/webhooks", []string{"endpoint", "events/journal"}, "pushes what records of the log end"},
	{"handlers/backups", []string{"endpoint", "replay/backup"}, "hands out the log as a file"},
	{"handlers/metrics", []string{"events/journal", "projections/follow"}, "counts what others do, and decides nothing"},
	{"handlers/tracing", []string{"handlers/oauth"}, "spans of requests; emit adds its own through the context"},
	{"handlers/bootstrap", []string{"endpoint"}, "the first administrator and the seed file: commands without HTTP"},
	{"handlers/past", []string{"endpoint", "replay"}, "answers in replay's own words"},
	{"handlers/asof", []string{"events", "events/journal", "handlers/oauth", "handlers/page", "projections", "projections/follow", "replay"}, "endpoints read the past as they read the present"},
	{"handlers", []string{"*"}, "the wiring"},
	{"replay", []string{"events", "events/journal", "events/tree", "projections", "projections/follow"}, "reads history, writes nothing"},
	{"replay/backup", []string{"events", "events/erasable", "events/journal", "events/seal", "events/tree"}, "a log as one file, read as a log"},
	{"cmd/grantlog", []string{"*"}, "main"},
}

// endpointMay is what an endpoint family may import: never another family.
var endpointMay = []string{
	"events", "events/seal", "projections", "projections/follow", "handlers/command", "handlers/emit", "handlers/oauth",
	"handlers/authn", "handlers/guard", "handlers/egress", "handlers/proxy", "handlers/consistency", "handlers/credential", "handlers/page", "handlers/body", "handlers/manage", "handlers/sign", "handlers/sse", "handlers/asof",
	"handlers/personal", "handlers/enroll", "handlers/login",
}

// external says which outside modules only some packages may import.
var external = map[string][]string{
	"github.com/nats-io/nats.go":        {"events/drift", "events/leader", "events/journal", "events/journal/journaltest", "events/erasable", "projections/follow", "projections/resource", "cmd/grantlog"},
	"github.com/nats-io/nats-server/v2": {"events/journal/journaltest", "cmd/grantlog"},
	"github.com/prometheus":             {"handlers/metrics"},
	"go.opentelemetry.io/otel":          {"handlers/tracing", "handlers/emit"},
	"github.com/labstack/echo/v4":       {"handlers", "projections/resource", "cmd/grantlog/bench"},
	"github.com/lestrrat-go/jwx/v2":     {"handlers/sign", "projections/resource"},
	"golang.org/x/mod":                  {"events/tree"},
}

type listed struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// allowed returns what a package may import, and whether the house has a room
// for it.
func allowed(pkg string) (may []string, ok bool) {
	for _, row := range layout {
		if row.pkg != pkg {
			continue
		}
		if len(row.may) > 0 && row.may[0] == "endpoint" {
			return slices.Concat(endpointMay, row.may[1:]), true
		}
		return row.may, true
	}
	switch {
	case strings.HasPrefix(pkg, "cmd/grantlog/"):
		return []string{"*"}, true
	case strings.HasPrefix(pkg, "handlers/") && strings.Count(pkg, "/") == 1:
		return endpointMay, true
	}
	return nil, false
}

func TestImportTable(t *testing.T) {
	for _, p := range packages(t) {
		pkg := strings.TrimPrefix(p.ImportPath, module+"/")
		may, ok := allowed(pkg)
		if !ok {
			t.Errorf("package %s has no row in the import table", pkg)
			continue
		}
		for _, imported := range p.Imports {
			checkOwn(t, pkg, imported, may)
			checkExternal(t, pkg, imported)
		}
	}
}

func checkOwn(t *testing.T, pkg, imported string, may []string) {
	own, ok := strings.CutPrefix(imported, module+"/")
	if ok && !slices.Contains(may, "*") && !slices.Contains(may, own) {
		t.Errorf("%s imports %s, which its row does not allow", pkg, own)
	}
}

func checkExternal(t *testing.T, pkg, imported string) {
	for module, homes := range external {
		if imported != module && !strings.HasPrefix(imported, module+"/") {
			continue
		}
		if !slices.ContainsFunc(homes, func(home string) bool { return pkg == home || strings.HasPrefix(pkg, home+"/") }) {
			t.Errorf("%s imports %s; only %s may", pkg, path.Base(imported), strings.Join(homes, ", "))
		}
	}
}

// resourceNeeds are the modules that come with projections/resource into other
// people's servers, for a reason each. More is not to be asked of them lightly.
var resourceNeeds = map[string]string{
	"github.com/lestrrat-go/jwx/v2":     "keys and signatures",
	"github.com/lestrrat-go/blackmagic": "of jwx",
	"github.com/lestrrat-go/httpcc":     "of jwx",
	"github.com/lestrrat-go/httprc":     "of jwx",
	"github.com/lestrrat-go/iter":       "of jwx",
	"github.com/lestrrat-go/option":     "of jwx",
	"github.com/labstack/echo/v4":       "its middleware",
	"github.com/labstack/gommon":        "of Echo",
	"github.com/mattn/go-colorable":     "of Echo",
	"github.com/mattn/go-isatty":        "of Echo",
	"github.com/valyala/bytebufferpool": "of Echo",
	"github.com/valyala/fasttemplate":   "of Echo",
	"golang.org/x/net":                  "of Echo",
	"golang.org/x/text":                 "of Echo",
	"github.com/nats-io/nats.go":        "revocations from NATS",
	"github.com/nats-io/nkeys":          "of nats.go",
	"github.com/nats-io/nuid":           "of nats.go",
	"github.com/klauspost/compress":     "of nats.go",
	"golang.org/x/crypto":               "of jwx, Echo and nats.go",
	"golang.org/x/sys":                  "of x/crypto",
}

func TestResourceBringsLittle(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", module+"/projections/resource").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	found := map[string]bool{}
	for _, path := range strings.Fields(string(out)) {
		if found[path] = true; path != module && resourceNeeds[path] == "" {
			t.Errorf("projections/resource brings %s", path)
		}
	}
	for path := range resourceNeeds {
		if !found[path] {
			t.Errorf("projections/resource does not need %s any more", path)
		}
	}
}

func TestEventsUsesTheStandardLibraryOnly(t *testing.T) {
	for _, p := range packages(t) {
		if p.ImportPath != module+"/events" {
			continue
		}
		for _, imported := range p.Imports {
			if strings.Contains(strings.Split(imported, "/")[0], ".") {
				t.Errorf("events imports %s", imported)
			}
		}
	}
}
