package command_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/grantlog/grantlog/handlers/command"
)

// Whatever is accepted has one reading: it survives being parsed and written
// again, and nothing in it hides another host.
func FuzzValidRedirectURI(f *testing.F) {
	for _, seed := range []string{
		"https://app.example.com/cb", "http://localhost:1/", "https://user@host/", `https://a\@b/`,
		"https://a/#", "http://127.0.0.1.evil.example/", "https://[::1%25eth0]/", "https://a/%00", "https://a:/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if !command.ValidRedirectURI(uri) {
			return
		}
		u, err := url.Parse(uri)
		if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || strings.ContainsAny(uri, "#\\ \x00\r\n") {
			t.Fatalf("accepted %q", uri)
		}
		again, err := url.Parse(u.String())
		if err != nil || again.Host != u.Host || again.Scheme != u.Scheme || again.Path != u.Path {
			t.Fatalf("%q reads as %q", uri, u)
		}
		if u.Scheme != "https" && u.Hostname() != "localhost" && u.Hostname() != "::1" && !strings.HasPrefix(u.Hostname(), "127.") &&
			!strings.HasPrefix(strings.ToLower(u.Hostname()), "::ffff:") && !strings.Contains(u.Hostname(), ":") {
			t.Fatalf("accepted %q without TLS", uri)
		}
	})
}

func ExampleValidRedirectURI() {
	for _, uri := range []string{
		"https://app.example.com/cb?x=1", "http://localhost:3000/", "http://[::1]/cb", "http://127.9.9.9/",
		"http://app.example.com/", "https://a@b/", "https://a/#f", `https://a\b/`, "/cb", "https:a", "com.example:/cb",
		"http://localhost.example.com/", "https://", "https://a /", "http://127.0.0.1.example.com/",
	} {
		fmt.Println(command.ValidRedirectURI(uri), uri)
	}
	// Output:
	// true https://app.example.com/cb?x=1
	// true http://localhost:3000/
	// true http://[::1]/cb
	// true http://127.9.9.9/
	// false http://app.example.com/
	// false https://a@b/
	// false https://a/#f
	// false https://a\b/
	// false /cb
	// false https:a
	// false com.example:/cb
	// false http://localhost.example.com/
	// false https://
	// false https://a /
	// false http://127.0.0.1.example.com/
}
