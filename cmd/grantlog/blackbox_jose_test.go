package main_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"
)

// unsigned makes a compact JWS with a signature of the caller's choice.
func unsigned(t testing.TB, header, claims map[string]any, signature string) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(header) + "." + part(claims) + "." + signature
}
