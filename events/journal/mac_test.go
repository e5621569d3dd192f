package journal

import (
	"bytes"
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
)

// The format of MACs and chains never changes: it is that of stored logs. The
// values were computed with openssl dgst -sha256.
func TestMACAndChainOfStoredLogs(t *testing.T) {
	sum := newMacer(bytes.Repeat([]byte{7}, 32)).sum("grantlog.tokens", []byte(`{"commit":"c_1"}`))
	if got, want := sum.String(), "c0H0Al_9PS0sruGfzNj0E33cjs1vxDYkNAl8UtnN6S0"; got != want {
		t.Errorf("MAC %s, want %s", got, want)
	}
	chain := extend(events.Chain{}, 1, sum)
	chain = extend(chain, 2, sum)
	if got, want := hex.EncodeToString(chain[:]), "b7c5cc9723f2294255bb0ebb8765d6ff50d8075ab2c7f3c758f649066784d31c"; got != want {
		t.Errorf("chain %s, want %s", got, want)
	}
}

func TestMACFitsOnePageOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMacer(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		subject := rapid.StringMatching(`grantlog\.[a-z.]{0,20}`).Draw(t, "subject")
		payload := rapid.SliceOf(rapid.Byte()).Draw(t, "payload")
		header := m.sum(subject, payload).String()
		if _, ok := m.verify(header, subject, payload); !ok {
			t.Fatal("own MAC refused")
		}
		for name, refused := range map[string][3]string{
			"subject longer":  {header, subject + "x", string(payload)},
			"payload longer":  {header, subject, string(payload) + "\x00"},
			"boundary moved":  {header, subject + "\x00", string(payload)},
			"header cut":      {header[:len(header)-1], subject, string(payload)},
			"header extended": {header + "A", subject, string(payload)},
			"header empty":    {"", subject, string(payload)},
		} {
			if _, ok := m.verify(refused[0], refused[1], []byte(refused[2])); ok {
				t.Fatalf("accepted: %s", name)
			}
		}
		bit := rapid.IntRange(0, 6*len(header)-3).Draw(t, "bit") // the last character has 4 bits
		changed := []byte(header)
		i := bytes.IndexByte([]byte(alphabet), changed[bit/6])
		changed[bit/6] = alphabet[i^1<<(5-bit%6)]
		if _, ok := m.verify(string(changed), subject, payload); ok {
			t.Fatalf("accepted with bit %d of the header flipped", bit)
		}
	})
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
