#!/usr/bin/env bash
# Not Node at all: SIGUSR1 would end it.
echo "bash is up"
while true; do sleep 1; done
