# Not Node at all: SIGUSR1 would end it.
import time

print("python is up", flush=True)
while True:
    time.sleep(1)
