// A script that works for a while (MS) and then ends by itself, because nothing is left to do.
console.log('finishing script begins');
setTimeout(() => console.log('finishing script is done'), Number(process.env.MS ?? 1500));
process.on('exit', (code) => console.log(`finishing script exits with ${code}`));
