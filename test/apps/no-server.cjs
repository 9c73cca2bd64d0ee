// A worker without any server: it only works through a queue.
setInterval(() => {}, 1000);
console.log('worker is up');
