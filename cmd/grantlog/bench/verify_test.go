package bench

import "testing"

func TestVerifyLog(t *testing.T) { wantFigures(t, verifyLog) }

func TestProveRecords(t *testing.T) { wantFigures(t, proveRecords) }
