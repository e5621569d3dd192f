package strictyaml_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grantlog/grantlog/cmd/grantlog/strictyaml"
)

type house struct {
	Name  string `yaml:"name"`
	Rooms []room `yaml:"rooms"`
}

type room struct {
	Width int               `yaml:"width"`
	Warm  bool              `yaml:"warm"`
	Tags  map[string]string `yaml:"tags"`
}

func TestDecodeNamesTheLine(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"unknown key":        {"name: a\ncolour: red\n", `h.yaml:2: unknown key "colour"`},
		"nested unknown key": {"rooms:\n  - width: 1\n    w: 2\n", `h.yaml:3: unknown key "w"`},
		"duplicate key":      {"name: a\nname: b\n", `h.yaml:2: mapping key "name" already defined at [1:1]`},
		"wrong kind":         {"name: a\nrooms:\n  - width: wide\n", "h.yaml:3: want a whole number"},
		"list wanted":        {"rooms: 3\n", "h.yaml:1: want a list"},
		"text wanted":        {"\nname: [1]\n", "h.yaml:2: want text, in quotes if it looks like something else"},
		"number for text":    {"name: 0123\n", "h.yaml:1: want text, in quotes if it looks like something else"},
		"null for text":      {"name:\n", "h.yaml:1: want text, in quotes if it looks like something else"},
		"null for a list":    {"rooms:\n", "h.yaml:1: want a list"},
		"fraction":           {"rooms:\n  - width: 60.5\n", "h.yaml:2: want a whole number"},
		"octal":              {"rooms:\n  - width: 0123\n", "h.yaml:2: want a whole number"},
		"hexadecimal":        {"rooms: [{width: 0x10}]\n", "h.yaml:1: want a whole number"},
		"quoted number":      {"rooms: [{width: \"1\"}]\n", "h.yaml:1: want a whole number"},
		"text for a boolean": {"rooms: [{warm: \"true\"}]\n", "h.yaml:1: want true or false"},
		"number for one":     {"rooms: [{warm: 1}]\n", "h.yaml:1: want true or false"},
		"too large":          {"rooms: [{width: 9223372036854775808}]\n", "h.yaml:1: want a whole number"},
		"alias":              {"rooms: [&a {width: 1}, *a]\n", "h.yaml:1: want keys and values"},
		"merge":              {"rooms: [{<<: {width: 1}}]\n", `h.yaml:1: unknown key "<<"`},
		"no mapping":         {"- a\n", "h.yaml:1: want keys and values"},
		"scalar":             {"a\n", "h.yaml:1: want keys and values"},
		"two documents":      {"name: a\n---\nname: b\n", "h.yaml:3: a second document in one file"},
		"tab":                {"name: a\n\trooms: 1\n", "h.yaml:2: found character '\t' that cannot start any token"},
	} {
		t.Run(name, func(t *testing.T) {
			var h house
			doc, err := strictyaml.Parse("h.yaml", []byte(tc.in))
			if err == nil {
				err = doc.Decode(&h)
			}
			if err == nil || err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestDecode(t *testing.T) {
	doc, err := strictyaml.Parse("h.yaml", []byte("name: '0123'\nrooms:\n  - width: -7\n    warm: true\n    tags: {X-Y: \"1\", 5: yes}\n  - {}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got house
	if err := doc.Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := house{Name: "0123"}
	want.Rooms = append(want.Rooms, room{Width: -7, Warm: true, Tags: map[string]string{"X-Y": "1", "5": "yes"}}, room{})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEmptyFilesAreEmpty(t *testing.T) {
	for _, in := range []string{"", "\n", "# only a comment\n", "---\n", "---\n---\n"} {
		doc, err := strictyaml.Parse("h.yaml", []byte(in))
		if err != nil {
			t.Fatalf("%q: %v", in, err)
		}
		var h house
		if err := doc.Decode(&h); err != nil {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestErrorfFindsTheLineOfAPath(t *testing.T) {
	doc, err := strictyaml.Parse("h.yaml", []byte(strings.Join([]string{
		"name: a",
		"rooms:",
		"  - width: 1",
		"  -",
		"    width: 2",
		"    tags: {x: 1,",
		"      'X-Y': 2}",
	}, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		path []any
		line int
		has  bool
	}{
		{nil, 1, true},
		{[]any{"name"}, 1, true},
		{[]any{"rooms", 0, "width"}, 3, true},
		{[]any{"rooms", 0, "tags"}, 3, false},
		{[]any{"rooms", 1, "width"}, 5, true},
		{[]any{"rooms", 1, "tags", "X-Y"}, 7, true},
		{[]any{"rooms", 1, "tags", "z"}, 6, false},
		{[]any{"absent", 3}, 1, false},
	} {
		if got := doc.Errorf(tc.path, "x").Line; got != tc.line {
			t.Errorf("%v: line %d, want %d", tc.path, got, tc.line)
		}
		if got := doc.Has(tc.path); got != tc.has {
			t.Errorf("%v: has %v, want %v", tc.path, got, tc.has)
		}
	}
}

func TestSettings(t *testing.T) {
	doc, err := strictyaml.Parse("s.yaml", []byte("a: 10s\n\nb: 007\nc: [x, 1]\nd: true\ne: |\n  text\n'f': \"\"\ng: 0x10\n"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := doc.Settings()
	if err != nil {
		t.Fatal(err)
	}
	want := []strictyaml.Setting{
		{"a", "10s", 1}, {"b", "007", 3}, {"c", "x,1", 4}, {"d", "true", 5}, {"e", "text\n", 6}, {"f", "", 8}, {"g", "0x10", 9},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSettingsRefusesWhatIsNotFlat(t *testing.T) {
	for name, in := range map[string]string{
		"mapping": "a: {b: 1}\n",
		"null":    "a:\n",
		"nested":  "a: [[1]]\n",
		"anchor":  "a: &x 1\n",
		"tag":     "a: !!str 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := strictyaml.Parse("s.yaml", []byte(in))
			if err != nil {
				t.Fatal(err)
			}
			_, err = doc.Settings()
			if want := "s.yaml:1: the value of a is not text, a number or a list of them"; err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

func TestErrorsQuoteNoValue(t *testing.T) {
	for _, in := range []string{
		"name: [s3cret]\n", "rooms: s3cret\n", "rooms:\n - width: s3cret\n", "name: \"s3cret\n", "name: s3cret: x\n",
	} {
		var h house
		doc, err := strictyaml.Parse("h.yaml", []byte(in))
		if err == nil {
			err = doc.Decode(&h)
		}
		if err == nil || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("name: a\nrooms: [{width: 1}]\n"))
	f.Add([]byte("a: &x [*x]\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		doc, err := strictyaml.Parse("f.yaml", in)
		if err != nil {
			return
		}
		var h house
		_ = doc.Decode(&h)
		_, _ = doc.Settings()
		_ = doc.Errorf([]any{"rooms", 0, "width"}, "x")
	})
}
