package seedfile

import "testing"

func TestCheckPath(t *testing.T) {
	for p, ok := range map[string]bool{
		"/": true, "/*": true, "/a": true, "/a/*": true, "/api/v1/customers/*": true, "/.well-known/x": true, "/a:b@c": true,
		"": false, "a": false, "/a*": false, "/*/a": false, "/a/**": false, "/a/": false, "//a": false, "/a//b": false,
		"/a/./b": false, "/a/../b": false, "/..": false, "/a%2e": false, "/a;b": false, "/a?b": false, "/a#b": false,
		"/a b": false, "/a\\b": false, "/\x00": false, "/ä": false, "*": false, "//*": false,
	} {
		if err := checkPath(p); (err == nil) != ok {
			t.Errorf("%q: %v", p, err)
		}
	}
}

func TestCheckRoute(t *testing.T) {
	for s, ok := range map[string]bool{
		"GET /a": true, "PROPFIND /a/*": true,
		"get /a": false, "GET": false, "GET  /a": false, " /a": false, "GET /a ": false, "GET http://h/a": false,
	} {
		if err := checkRoute(s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestCheckTemplate(t *testing.T) {
	for s, ok := range map[string]bool{
		"": true, "Bearer x": true, "$5": true, "${f4w_access_token}": true, "a ${a-b_access_token} ${c_access_token}": true,
		"${f4w}": false, "${}": false, "${": false, "${_access_token}": false, "${a.b_access_token}": false,
		"${${f4w_access_token}}": false,
	} {
		if err := checkTemplate(s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestCheckRedirect(t *testing.T) {
	for s, ok := range map[string]bool{
		"https://a.example/cb": true, "http://127.0.0.1/cb": true, "com.example.app:/cb": true,
		"/cb": false, "https://u@a.example/cb": false, "https://a.example/#f": false, "https://a.example/\\b": false, "": false,
		"https://a.example/ b": false,
	} {
		if err := checkRedirect(s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestScopeToken(t *testing.T) {
	for s, ok := range map[string]bool{
		"read": true, "read:customers": true, "https://x/y": true, "!": true, "~": true,
		"": false, "a b": false, "a\"": false, `a\`: false, "ä": false, "\x7f": false, "\x00": false,
	} {
		if got := scopeToken(s); got != ok {
			t.Errorf("%q: %v", s, got)
		}
	}
}
