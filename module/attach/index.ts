export interface Attacher { attach(pid:number, load:any): Promise<any>; recover(): Promise<void>; close(): Promise<void> }
export function qualify(pid:number): any { return {fit:true} }
import { writeFileSync, readFileSync } from 'node:fs';
export function createAttacher(o:any): Attacher { return { async attach(){ return {ok:false, code:'stub', reason:'stub', retryAfterMs:null} }, async recover(){}, async close(){} } }
