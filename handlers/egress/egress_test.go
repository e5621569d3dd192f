package egress_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/grantlog/grantlog/handlers/egress"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func get(t *testing.T, client *http.Client, url string) (*http.Response, error) {
	t.Helper()
	t.Cleanup(client.CloseIdleConnections)
	resp, err := client.Get(url)
	if err == nil {
		t.Cleanup(func() { resp.Body.Close() })
	}
	return resp, err
}

// Whatever a destination is called, what counts is where it leads.
func TestPrivateAddressesAreNotDialed(t *testing.T) {
	reached := false
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer s.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	for _, host := range []string{
		"127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0.0.0.0", "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
	} {
		if resp, err := get(t, egress.Client(false), "http://"+host+":"+port); err == nil {
			t.Errorf("%s: status %d", host, resp.StatusCode)
		}
	}
	if _, err := get(t, egress.Client(false), s.URL); !errors.Is(err, egress.ErrAddress) {
		t.Errorf("refused with %v", err)
	}
	if reached {
		t.Error("the server on loopback was reached")
	}
	if _, err := get(t, egress.Client(true), s.URL); err != nil || !reached {
		t.Errorf("where it is allowed: %v", err)
	}
}

func TestRedirectsAndProxiesAreNotFollowed(t *testing.T) {
	elsewhere := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere = true }))
	defer other.Close()
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	t.Setenv("HTTP_PROXY", other.URL)
	t.Setenv("http_proxy", other.URL)
	resp, err := get(t, egress.Client(true), s.URL)
	if err != nil || resp.StatusCode != http.StatusTemporaryRedirect || elsewhere {
		t.Errorf("%v, %v; followed: %t", resp, err, elsewhere)
	}
	if egress.Transport(true).Proxy != nil {
		t.Error("a proxy may be asked")
	}
}

func TestReadAll(t *testing.T) {
	if b, err := egress.ReadAll(strings.NewReader("12345"), 5); err != nil || string(b) != "12345" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := egress.ReadAll(io.MultiReader(strings.NewReader("12345"), strings.NewReader("6")), 5); !errors.Is(err, egress.ErrTooLong) {
		t.Errorf("6 bytes of 5: %v", err)
	}
	if _, err := egress.ReadAll(io.MultiReader(strings.NewReader("1"), brokenReader{}), 5); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an answer that breaks off: %v", err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
