//go:build !linux

package main_test

import "testing"

// onDisk would give a member a disk of its own.
func (*cluster) onDisk(testing.TB) {}
